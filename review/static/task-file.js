// Beside the task screen: ask for a rescan or the paper of the page shown, and lines that nobody claimed.
"use strict";

(() => {
  const by = (id) => document.getElementById(id);
  const task = () => by("task");
  const csrf = () => document.querySelector('meta[name="csrf"]').content;
  const typing = { last: null };

  function open(id) {
    typing.last = document.activeElement;
    by(id).showModal();
  }

  function close(id) {
    by(id).close();
    if (typing.last?.isConnected) typing.last.focus();
  }

  function ask() {
    by("ask-said").replaceChildren();
    open("ask");
    by("ask-form").querySelector('[name="kind"]').focus();
  }

  async function send(address, form) {
    const body = new URLSearchParams(new FormData(form));
    const headers = { "X-CSRF-Token": csrf(), "HX-Request": "true" };
    return fetch(address, { method: "POST", body, headers }).catch(() => null);
  }

  async function sendAsk(event) {
    event.preventDefault();
    const answer = await send(`/files/page/${encodeURIComponent(task().dataset.shown)}/ask`, event.target);
    if (answer) by("ask-said").innerHTML = await answer.text();
    else tell(by("ask-said"), by("unclaimed").dataset.fails);
  }

  function tell(place, sentence) {
    const told = Object.assign(document.createElement("p"), { className: "message bad", textContent: sentence });
    place.replaceChildren(told);
  }

  async function unclaimed() {
    const answer = await fetch(`/task/${task().dataset.document}/unclaimed`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status === 401) return by("session").showModal();
    if (answer?.ok) by("unclaimed-body").innerHTML = await answer.text();
    else tell(by("unclaimed-body"), by("unclaimed").dataset.fails);
    open("unclaimed");
    by("unclaimed").querySelector('[name="line"]:checked, button')?.focus();
  }

  async function addValue(event) {
    event.preventDefault();
    const form = event.target;
    const token = Object.assign(document.createElement("input"), { type: "hidden", name: "token", value: task().dataset.token });
    form.querySelector('[name="token"]')?.remove();
    form.append(token);
    form.elements.value.value = form.elements.value.value.normalize("NFC");
    const answer = await send(form.getAttribute("action"), form);
    const text = answer ? await answer.text() : by("unclaimed").dataset.fails;
    if (answer?.ok) return added(text);
    if (answer?.status === 422 && text.includes('id="unclaimed-form"')) {
      by("unclaimed-body").innerHTML = text;
      return by("unclaimed-value").focus();
    }
    const error = by("unclaimed-error");
    if (answer?.headers.get("content-type")?.startsWith("text/html")) error.innerHTML = text;
    else error.textContent = text;
  }

  // The card of what was added comes from the page as it is now; what is typed in the others stays.
  async function added(key) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    const fresh = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    const card = fresh?.getElementById(key);
    if (card) {
      by(key)?.remove();
      by("cards").insertBefore(document.adoptNode(card), by("finish"));
      htmx.process(card);
      document.dispatchEvent(new CustomEvent("task:changed"));
    }
    close("unclaimed");
  }

  document.addEventListener("keydown", (event) => {
    if (!task() || !by("ask") || event.isComposing || document.querySelector("dialog[open]")) return;
    if (!event.altKey || event.ctrlKey || event.metaKey || !["KeyR", "KeyU"].includes(event.code)) return;
    event.preventDefault();
    if (event.code === "KeyR") ask();
    else unclaimed();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#ask-open")) ask();
    if (event.target.closest?.("#unclaimed-open")) unclaimed();
    const dialog = event.target.closest?.("[data-close]")?.closest("dialog");
    if (dialog) close(dialog.id);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.('#unclaimed [name="line"]')) by("unclaimed-value").value = event.target.dataset.text;
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id === "ask-form") sendAsk(event);
    if (event.target.id === "unclaimed-form") addValue(event);
  });
})();
