/* A set by keys: arrows move, Space and X mark, Enter goes on and at the end accepts. Marks outlive a reload. */
(() => {
  const set = document.getElementById("set"), done = document.getElementById("done");
  const key = `sohoa-set-${(set ?? done).dataset.set}`;
  if (done) {
    sessionStorage.removeItem(key);
    document.getElementById("next").focus();
    return;
  }
  const HEARTBEAT_MS = 60000, IDLE_MS = 600000;
  const boxes = [...set.querySelectorAll('input[name="odd"]')];
  const accept = document.getElementById("accept"), told = document.getElementById("marked");
  const words = document.getElementById("words").content;
  const say = (name) => words.querySelector(`[data-key="${name}"]`).textContent;
  let touched = Date.now();

  function count() {
    const marked = boxes.filter((box) => box.checked).map((box) => box.value);
    told.textContent = say("marked").replace("{marked}", marked.length);
    sessionStorage.setItem(key, JSON.stringify(marked));
  }

  function mark(box, odd) {
    box.checked = odd;
    count();
  }

  // How many tiles stand in the first row.
  function columns() {
    const top = boxes[0].closest("li").offsetTop;
    const second = boxes.findIndex((box) => box.closest("li").offsetTop > top);
    return second < 0 ? boxes.length : second;
  }

  function move(at, by) {
    const to = at + by;
    if (to >= 0 && to < boxes.length) show(boxes[to]);
    else if (by > 0) accept.focus();
  }

  function show(box) {
    box.focus({ preventScroll: true });
    box.closest("li").scrollIntoView({ block: "nearest" });
  }

  function onKey(event) {
    touched = Date.now();
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target === accept && (event.key === "ArrowUp" || event.key === "ArrowLeft")) {
      event.preventDefault();
      return show(boxes[boxes.length - 1]);
    }
    if (event.target === accept && event.key === "Enter" && event.repeat) return event.preventDefault();
    const at = boxes.indexOf(event.target);
    if (at < 0) return;
    const act = {
      ArrowRight: () => move(at, 1), ArrowLeft: () => move(at, -1), ArrowDown: () => move(at, columns()),
      ArrowUp: () => move(at, -columns()), Home: () => show(boxes[0]), End: () => show(boxes[boxes.length - 1]),
      Enter: () => move(at, 1), x: () => mark(boxes[at], !boxes[at].checked), X: () => mark(boxes[at], !boxes[at].checked),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // A crop that nobody saw is never accepted.
  function fails(image) {
    const tile = image.closest(".tile");
    tile.querySelector(".crop").classList.add("fails");
    tile.querySelector(".crop").textContent = say("crop_fails");
    mark(tile.querySelector("input"), true);
  }

  async function beat() {
    if (Date.now() - touched > IDLE_MS) return;
    const body = new URLSearchParams({ csrf: set.elements.csrf.value });
    await fetch(`/groups/${set.dataset.kind}/renew`, { method: "POST", body }).catch(() => null);
  }

  set.addEventListener("submit", (event) => {
    if (event.submitter !== accept || [...set.querySelectorAll("img")].every((image) => image.complete)) return;
    event.preventDefault();
    told.textContent = say("loading");
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("pointerdown", () => { touched = Date.now(); });
  set.addEventListener("change", count);
  set.addEventListener("error", (event) => { if (event.target.tagName === "IMG") fails(event.target); }, true);
  const before = JSON.parse(sessionStorage.getItem(key) ?? "[]");
  boxes.forEach((box) => { box.checked = before.includes(box.value); });
  set.querySelectorAll("img").forEach((image) => { if (image.complete && !image.naturalWidth) fails(image); });
  count();
  show(boxes[0]);
  setInterval(beat, HEARTBEAT_MS);
})();
