// Beside the task screen: a film's density window, its negative, and zoom. Only what is shown changes, never the scan.
"use strict";

(() => {
  const FULL = 255;
  const STEP = 16;
  const ZOOM = 1.4;
  const KEYS = {
    BracketLeft: () => turn("tone-level", -STEP), BracketRight: () => turn("tone-level", STEP),
    Comma: () => turn("tone-width", -STEP), Period: () => turn("tone-width", STEP),
    KeyI: () => invert(), Digit0: () => reset(), Equal: () => zoom(ZOOM), Minus: () => zoom(1 / ZOOM),
  };
  const DOES = { "tone-invert": invert, "tone-reset": reset, "zoom-in": () => zoom(ZOOM), "zoom-out": () => zoom(1 / ZOOM) };

  const by = (id) => document.getElementById(id);
  const number = (id) => Number(by(id).value);

  // out = (in - level) / width + 1/2, as a radiology viewer has it, and 1 minus that for the negative.
  function show() {
    const slope = FULL / Math.max(1, number("tone-width"));
    const intercept = 0.5 - (slope * number("tone-level")) / FULL;
    const negative = by("tone-invert").getAttribute("aria-pressed") === "true";
    for (const part of by("tone-filter").querySelectorAll("feFuncR, feFuncG, feFuncB")) {
      part.setAttribute("slope", negative ? -slope : slope);
      part.setAttribute("intercept", negative ? 1 - intercept : intercept);
    }
  }

  function turn(id, step) {
    by(id).value = number(id) + step;
    show();
  }

  function invert() {
    const button = by("tone-invert");
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    show();
  }

  function reset() {
    for (const id of ["tone-level", "tone-width"]) by(id).value = by(id).defaultValue;
    by("tone-invert").setAttribute("aria-pressed", "false");
    show();
  }

  const zoom = (by) => document.dispatchEvent(new CustomEvent("sheet:zoom", { detail: by }));

  document.addEventListener("input", (event) => { if (event.target.closest?.("#tone")) show(); });
  document.addEventListener("click", (event) => { DOES[event.target.closest?.("#tone button")?.id]?.(); });
  document.addEventListener("keydown", (event) => {
    if (!by("tone") || event.isComposing || document.querySelector("dialog[open]")) return;
    if (!event.altKey || event.ctrlKey || event.metaKey || !KEYS[event.code]) return;
    event.preventDefault();
    KEYS[event.code]();
  });
})();
