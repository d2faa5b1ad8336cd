// The task screen: keys, the page beside the field, pick-lists, and what happens when a save does not arrive.
"use strict";

(() => {
  const HEARTBEAT_MS = 60_000;
  const IDLE_MS = 600_000; // Whoever has not touched a key for so long no longer holds the document.
  const ASK_MS = 120;
  const MARGIN = 1.6; // The box and what stands around it, as a multiple of its size.
  const LEAST_WIDTH = 0.55; // Of the page: a code of two letters is not blown up to fill the screen.
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  let task, words, viewer, shown, current, wholePage, touched, ready, composing;

  const by = (id) => document.getElementById(id);
  const say = (key) => words[key] ?? "";
  const csrf = () => document.querySelector('meta[name="csrf"]').content;
  const cards = () => [...task.querySelectorAll(".field")];
  const open = () => cards().filter((card) => card.classList.contains("open"));
  const entryOf = (card) => card?.querySelector('[name="value"]');
  const cardOf = (element) => element?.closest?.(".field");
  const nfc = (text) => text.normalize("NFC");
  const changed = (entry) => entry && nfc(entry.value) !== nfc(entry.dataset.start);

  function begin() {
    task = by("task");
    if (!task) return;
    words = Object.fromEntries([...by("words").content.children].map((w) => [w.dataset.key, w.textContent]));
    [shown, current, wholePage, ready, composing] = ["", null, false, null, false];
    touched = Date.now();
    const bar = document.querySelector("header.bar");
    document.documentElement.style.setProperty("--bar", `${bar ? bar.offsetHeight : 0}px`);
    makeViewer();
    by("whole").addEventListener("click", toggleWhole);
    by("ask-help").addEventListener("click", () => by("help").showModal());
    by("session-continue").addEventListener("click", goOn);
    by("next").form.addEventListener("submit", goNext);
    move(open()[0]);
    count();
  }

  // Moving from field to field

  function move(card) {
    if (!card) return finish();
    const place = entryOf(card) ?? card.querySelector("button");
    place.focus({ preventScroll: true });
    if (place.select) place.select();
  }

  function enter(card) {
    if (card === current && card.classList.contains("current")) return;
    cards().forEach((one) => one.classList.toggle("current", one === card && one.classList.contains("open")));
    current = card;
    card.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
    show(card);
  }

  function after(card) {
    const all = cards();
    const later = all.slice(all.indexOf(card) + 1).find((one) => one.classList.contains("open") && !one.classList.contains("busy"));
    return later ?? open().find((one) => one !== card && !one.classList.contains("busy"));
  }

  function count() {
    const left = open().length, all = cards().length;
    by("left").textContent = say("task.left").replace("{left}", left).replace("{all}", all);
    by("progress").value = all - left;
    by("finish").hidden = left > 0;
  }

  function finish() {
    if (open().length) return;
    by("finish").hidden = false;
    by("next").focus();
    by("finish").scrollIntoView({ block: "center" });
    fetchNext();
  }

  // Deciding

  function decide(card, decision) {
    const form = card?.querySelector("form");
    const button = form?.querySelector(`button[value="${decision}"]`);
    if (!button || card.classList.contains("busy")) return;
    card.dataset.decision = decision;
    button.click(); // htmx sends the button that was clicked.
  }

  function undo() {
    const entry = entryOf(current);
    if (entry && document.activeElement === entry && changed(entry)) {
      entry.value = entry.dataset.start;
      entry.removeAttribute("aria-invalid");
      current.querySelector(".error").textContent = "";
      current.querySelector(".insist")?.remove();
      entry.select();
      return;
    }
    const done = cards().filter((card) => card.dataset.order && card.querySelector("form.settled"));
    const last = done.sort((a, b) => b.dataset.order - a.dataset.order)[0];
    last?.querySelector("form.settled")?.requestSubmit();
  }

  let order = 0;

  function beforeSend(event) {
    const card = cardOf(event.detail.elt);
    if (!card) return;
    const sent = event.detail.parameters;
    if (sent.value !== undefined) sent.value = nfc(sent.value);
    event.detail.headers["X-CSRF-Token"] = csrf();
    touched = Date.now();
  }

  function onSend(event) {
    const card = cardOf(event.detail.elt);
    if (!card || event.detail.elt.classList.contains("settled")) return;
    card.classList.add("busy");
    const entry = entryOf(card);
    entry.readOnly = true;
    closeList(entry);
    move(after(card) ?? card);
  }

  function beforeSwap(event) {
    const card = cardOf(event.detail.elt);
    if (!card) return;
    if (isCard(event.detail.xhr, card)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  }

  // A refusal comes as the card itself; any other 422 is a sentence that must not take its place.
  function isCard(xhr, card) {
    return xhr.status === 422 && xhr.responseText.includes(`id="${card.id}"`);
  }

  function onAnswer(event) {
    const { xhr, elt } = event.detail;
    const old = cardOf(elt) ?? elt;
    if (!old?.classList?.contains("field")) return;
    const card = by(old.id);
    if (xhr.status === 200) return settled(card);
    if (isCard(xhr, old)) return refused(card);
    release(card);
    if (xhr.status === 409) return lose();
    if (xhr.status === 401) return by("session").showModal();
    if (xhr.status === 403) return sendAgain(card);
    tell(card, say("task.error.network"));
  }

  function settled(card) {
    if (card.classList.contains("done")) {
      card.dataset.order = ++order;
      if (!open().length) finish();
      else if (!cardOf(document.activeElement)) move(after(card));
    } else {
      ready = null;
      holdBy(card.querySelector('input[name="token"]').value);
      move(card);
    }
    count();
  }

  function holdBy(token) {
    task.dataset.token = token;
    task.querySelectorAll('input[name="token"]').forEach((field) => { field.value = token; });
  }

  // A refused value is shown again as it was typed; whoever is not yet typing elsewhere is taken back to it.
  function refused(card) {
    const here = document.activeElement;
    if (!changed(here.dataset?.start === undefined ? null : here)) {
      const entry = entryOf(card);
      entry.focus({ preventScroll: true });
      entry.setSelectionRange(entry.value.length, entry.value.length);
    }
    count();
  }

  function release(card) {
    card.classList.remove("busy");
    entryOf(card).readOnly = false;
  }

  function tell(card, sentence) {
    card.querySelector(".error").textContent = sentence;
    entryOf(card)?.setAttribute("aria-invalid", "true");
    entryOf(card)?.focus();
  }

  // The page beside the field

  function makeViewer() {
    if (viewer) viewer.destroy();
    viewer = OpenSeadragon({
      element: by("viewer"), showNavigationControl: false, animationTime: calm.matches ? 0 : 0.35, springStiffness: 9,
      immediateRender: true, maxZoomPixelRatio: 2.5, visibilityRatio: 0.4, drawer: "canvas",
      gestureSettingsMouse: { clickToZoom: false }, keyboardNavEnabled: false,
    });
    viewer.canvas.removeAttribute("tabindex");
    viewer.addHandler("open", () => { by("sheet-fails").hidden = true; frame(true); });
    viewer.addHandler("open-failed", () => { by("sheet-fails").hidden = false; });
  }

  const pages = () => JSON.parse(task.dataset.pages);

  function show(card) {
    const all = pages();
    const at = Math.max(0, all.findIndex((page) => page.page_id === card.dataset.page));
    const page = all[at];
    if (!page) return;
    by("page-number").textContent = page.name;
    if (shown === page.page_id) return frame(false);
    task.dataset.shown = shown = page.page_id;
    viewer.open({ type: "image", url: page.url, buildPyramid: false });
    all.filter((_, i) => i === at + 1).forEach((later) => { new Image().src = later.url; });
  }

  function frame(atOnce) {
    const image = viewer.world.getItemAt(0);
    if (!image || !current) return;
    viewer.clearOverlays();
    const size = image.getContentSize();
    const own = current.dataset;
    if (own.left === undefined) return viewer.viewport.goHome(atOnce);
    const box = new OpenSeadragon.Rect(own.left * size.x, own.top * size.y, own.width * size.x, own.height * size.y);
    const mark = document.createElement("div");
    mark.className = "box-mark";
    if (own.guess === undefined) viewer.addOverlay({ element: mark, location: image.imageToViewportRectangle(grown(box, 6)) });
    if (wholePage) return viewer.viewport.goHome(atOnce);
    const pane = viewer.viewport.getContainerSize();
    const wide = Math.min(size.x, Math.max(box.width * MARGIN, size.x * LEAST_WIDTH)), high = wide * pane.y / pane.x;
    const around = new OpenSeadragon.Rect(within(box.x + box.width / 2, wide, size.x), within(box.y + box.height / 2, high, size.y), wide, high);
    viewer.viewport.fitBounds(image.imageToViewportRectangle(around), atOnce || calm.matches);
  }

  // Where a stretch of some length about a middle begins, without leaving the page.
  const within = (middle, length, whole) => Math.max(0, Math.min(middle - length / 2, whole - length));
  const grown = (box, by) => new OpenSeadragon.Rect(box.x - by, box.y - by, box.width + 2 * by, box.height + 2 * by);

  function toggleWhole() {
    wholePage = !wholePage;
    by("whole").setAttribute("aria-pressed", String(wholePage));
    frame(false);
  }

  // Pick-lists

  let asking = 0, asked = 0;

  const listOf = (entry) => by(entry.getAttribute("aria-controls"));
  const chosen = (list) => list?.querySelector('[aria-selected="true"]');

  function lookUp(entry) {
    clearTimeout(asking);
    asking = setTimeout(async () => {
      const mine = ++asked;
      const part = lastPart(entry).trim();
      if (!part) return closeList(entry);
      const answer = await fetch(`/pick/${entry.dataset.pick}?q=${encodeURIComponent(nfc(part))}`).catch(() => null);
      if (!answer?.ok || mine !== asked || document.activeElement !== entry) return;
      openList(entry, await answer.text());
    }, ASK_MS);
  }

  function lastPart(entry) {
    const mark = entry.dataset.separator;
    return mark ? entry.value.slice(entry.value.lastIndexOf(mark) + 1) : entry.value;
  }

  function openList(entry, html) {
    const list = listOf(entry);
    list.innerHTML = html;
    [...list.children].forEach((line, i) => { line.id = `${list.id}-${i}`; });
    list.hidden = false;
    entry.setAttribute("aria-expanded", "true");
    entry.removeAttribute("aria-activedescendant");
  }

  function closeList(entry) {
    clearTimeout(asking);
    asked += 1;
    if (!entry?.dataset.pick) return;
    listOf(entry).hidden = true;
    entry.setAttribute("aria-expanded", "false");
    entry.removeAttribute("aria-activedescendant");
  }

  function step(entry, by) {
    const lines = [...listOf(entry).querySelectorAll('[role="option"]:not([aria-disabled])')];
    if (!lines.length) return;
    const at = lines.indexOf(chosen(listOf(entry)));
    const to = lines[(at + by + lines.length + (at < 0 && by < 0 ? 1 : 0)) % lines.length];
    lines.forEach((line) => line.setAttribute("aria-selected", String(line === to)));
    entry.setAttribute("aria-activedescendant", to.id);
    to.scrollIntoView({ block: "nearest" });
  }

  function take(entry, line) {
    const kept = entry.dataset.separator ? entry.value.slice(0, entry.value.length - lastPart(entry).length) : "";
    entry.value = kept + (kept ? " " : "") + line.dataset.value;
    closeList(entry);
    entry.focus();
  }

  // Keys

  function onKey(event) {
    touched = Date.now();
    if (event.isComposing || event.keyCode === 229 || composing) return;
    if (document.querySelector("dialog[open]")) return;
    const entry = event.target.matches?.('[name="value"]') ? event.target : null;
    const list = entry?.dataset.pick && !listOf(entry).hidden ? listOf(entry) : null;
    if (list && inList(event, entry, list)) return event.preventDefault();
    const card = cardOf(event.target) ?? current;
    const act = ACTIONS.find((one) => one.when(event, entry));
    if (!act) return;
    event.preventDefault();
    act.act(card, entry);
  }

  function inList(event, entry, list) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") step(entry, event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Escape") closeList(entry);
    else if (event.key === "Enter" && chosen(list)) take(entry, chosen(list));
    else return false;
    return true;
  }

  const alt = (event, code) => event.altKey && !event.ctrlKey && !event.metaKey && event.code === code;
  const untouched = (entry) => !entry || (!changed(entry) && entry.selectionStart === 0 && entry.selectionEnd === entry.value.length);
  const ACTIONS = [
    { when: (e, entry) => e.key === "Enter" && entry && !e.shiftKey && !e.altKey && !e.ctrlKey, act: (card) => decide(card, "enter") },
    { when: (e) => alt(e, "KeyN"), act: (card) => decide(card, "unreadable") },
    { when: (e) => alt(e, "KeyB"), act: (card) => decide(card, "absent") },
    { when: (e) => alt(e, "KeyG"), act: (card) => decide(card, "insist") },
    { when: (e) => alt(e, "Digit1"), act: (card) => decide(card, "first") },
    { when: (e) => alt(e, "Digit2"), act: (card) => decide(card, "second") },
    { when: (e) => e.key === "Escape", act: undo },
    { when: (e) => e.key === "F2", act: toggleWhole },
    { when: (e, entry) => e.key === "F1" || (e.key === "?" && untouched(entry)), act: () => by("help").showModal() },
    { when: (e, entry) => e.key === "ArrowDown" && entry?.dataset.pick, act: (_, entry) => lookUp(entry) },
  ];

  // What is typed is not lost

  function lose() {
    const box = by("lost");
    const typed = cards().filter((card) => changed(entryOf(card)))
      .map((card) => `${card.querySelector("label").textContent}: ${entryOf(card).value}`).join("\n");
    const told = document.createElement("p");
    told.textContent = say("task.error.lost");
    const away = Object.assign(document.createElement("a"), { href: "/queue", className: "button", textContent: say("task.to_queue") });
    const row = Object.assign(document.createElement("div"), { className: "row" });
    box.replaceChildren(told, ...(typed ? kept(typed, row) : []), row);
    row.append(away);
    box.hidden = false;
  }

  function kept(typed, row) {
    const label = Object.assign(document.createElement("label"), { htmlFor: "typed", textContent: say("task.typed") });
    const area = Object.assign(document.createElement("textarea"), { id: "typed", readOnly: true, rows: 3, value: typed });
    const copy = Object.assign(document.createElement("button"), { type: "button", textContent: say("task.copy") });
    copy.addEventListener("click", async () => {
      area.select();
      await navigator.clipboard.writeText(typed).catch(() => document.execCommand("copy"));
      copy.textContent = say("task.copied");
    });
    row.append(copy);
    return [label, area];
  }

  // A new session has new tokens and new addresses for the pictures: they are taken from the page as it is now.
  // "new": there is one; "same": the old one goes on; "none": nobody signed in; "lost": the document is another's by now.
  async function renewPage() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || (answer.redirected && new URL(answer.url).pathname === "/login")) return "none";
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = answer.redirected ? null : fresh.getElementById("task");
    if (!now) return answer.status < 500 ? "lost" : "none";
    const token = fresh.querySelector('meta[name="csrf"]').content;
    const was = csrf();
    document.querySelector('meta[name="csrf"]').content = token;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": token }));
    task.dataset.pages = now.dataset.pages;
    holdBy(now.dataset.token);
    document.querySelectorAll('input[name="csrf"]').forEach((field) => { field.value = token; });
    cards().forEach((card) => {
      const image = card.querySelector(".crop img"), other = fresh.querySelector(`#${card.id} .crop img`);
      if (image && other) image.src = other.getAttribute("src");
    });
    return token !== was ? "new" : "same";
  }

  // A form that the server refused is sent once more in the new session.
  async function sendAgain(card) {
    const found = await renewPage();
    if (found === "new") return decide(card, card.dataset.decision);
    if (found === "lost") return lose();
    tell(card, say("task.error.network"));
  }

  async function goOn() {
    const found = await renewPage();
    by("session-error").textContent = found === "none" || found === "same" ? say("task.session_still") : "";
    if (found === "none" || found === "same") return;
    by("session").close();
    if (found === "lost") return lose();
    shown = "";
    move(current && current.isConnected && current.classList.contains("open") ? current : open()[0]);
    if (current) show(current);
  }

  async function beat() {
    if (!task?.isConnected || Date.now() - touched > IDLE_MS || !open().length) return;
    const body = new URLSearchParams({ token: task.dataset.token });
    const answer = await fetch(`${task.dataset.place}/renew`, { method: "POST", body, headers: { "X-CSRF-Token": csrf() } }).catch(() => null);
    if (answer?.status === 409) lose();
    if (answer?.status === 401 && !by("session").open) by("session").showModal();
  }

  // The next document is claimed and fetched while the end of this one is still on the screen.

  function fetchNext() {
    const form = by("next").form;
    ready ??= fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/html" } })
      .then(async (answer) => (answer.ok ? { url: answer.url, html: await answer.text() } : null)).catch(() => null);
  }

  async function goNext(event) {
    if (!ready) return;
    event.preventDefault();
    const next = await ready;
    if (!next) { ready = null; by("next").form.submit(); return; }
    const fresh = new DOMParser().parseFromString(next.html, "text/html");
    if (!fresh.getElementById("task")) { location.assign(task.dataset.home); return; }
    by("main").replaceChildren(...document.adoptNode(fresh.getElementById("main")).childNodes);
    document.title = fresh.title;
    history.pushState(null, "", next.url);
    htmx.process(by("main"));
    begin();
  }

  // Listeners stay on the document: what they speak of is replaced with every field and every task.

  htmx.config.defaultSettleDelay = 0;
  htmx.config.attributesToSettle = []; // A card comes as it is: nothing of the one that it replaces is kept.
  document.addEventListener("keydown", onKey);
  document.addEventListener("compositionstart", () => { composing = true; });
  document.addEventListener("compositionend", () => { composing = false; });
  document.addEventListener("submit", (event) => { if (composing) { event.preventDefault(); event.stopPropagation(); } }, true);
  document.addEventListener("pointerdown", () => { touched = Date.now(); });
  document.addEventListener("focusin", (event) => {
    const card = task && cardOf(event.target);
    if (card) enter(card);
    if (card && event.target.select && event.relatedTarget && event.target.name === "value" && !changed(event.target)) event.target.select();
  });
  document.addEventListener("focusout", (event) => { if (event.target.dataset?.pick) closeList(event.target); });
  document.addEventListener("input", (event) => { if (event.target.dataset?.pick) lookUp(event.target); });
  document.addEventListener("mousedown", (event) => {
    const line = event.target.closest?.('.pick [role="option"]');
    if (!line) return;
    event.preventDefault();
    take(line.closest(".entry").querySelector('[name="value"]'), line);
  });
  document.addEventListener("error", (event) => {
    const crop = event.target.closest?.(".crop");
    if (!crop || !task) return;
    crop.classList.add("fails");
    crop.textContent = say("task.crop_fails");
  }, true);
  document.addEventListener("htmx:configRequest", beforeSend);
  document.addEventListener("htmx:beforeRequest", onSend);
  document.addEventListener("htmx:beforeSwap", beforeSwap);
  document.addEventListener("htmx:afterSettle", (event) => { if (event.detail.requestConfig) onAnswer(event); });
  document.addEventListener("htmx:responseError", onAnswer);
  document.addEventListener("htmx:sendError", onAnswer);
  window.addEventListener("popstate", () => location.reload());
  document.addEventListener("task:changed", count);
  document.addEventListener("sheet:zoom", (event) => viewer?.viewport.zoomBy(event.detail).applyConstraints());
  setInterval(beat, HEARTBEAT_MS);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
})();
