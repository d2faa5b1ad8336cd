// A file's screen: arrows choose a page (they are radio buttons), letters press the button that bears them.
"use strict";

(() => {
  const by = (id) => document.getElementById(id);
  const chosen = () => document.querySelector('[name="page_id"]:checked');
  const choice = (at) => at?.matches?.('[name="page_id"]') || !at?.matches?.("input, select, textarea");

  function ask(kind) {
    const page = chosen();
    if (!page) return;
    by("ask-form").action = `/files/page/${page.value}/ask`;
    by("ask-form").querySelector(`[name="kind"][value="${kind}"]`).checked = true;
    by("ask").showModal();
    by("ask-form").querySelector(`[name="${kind === "paper" ? "why" : "fault"}"]`).focus();
  }

  function named(event) {
    const alt = event.altKey && !event.ctrlKey && !event.metaKey;
    if (alt && (event.code === "KeyR" || event.code === "KeyP")) return event.code === "KeyR" ? "Alt+R" : "Alt+P";
    if (event.altKey || event.ctrlKey || event.metaKey || !choice(event.target)) return "";
    if (event.shiftKey) return { ArrowLeft: "Shift+←", ArrowUp: "Shift+←", ArrowRight: "Shift+→", ArrowDown: "Shift+→" }[event.key] ?? "";
    return { KeyS: "S", KeyJ: "J", KeyR: "R", KeyT: "T", KeyM: "M" }[event.code] ?? "";
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const key = named(event);
    if (!key) return;
    event.preventDefault();
    if (key === "T") by("form").focus();
    else if (key === "M") by("target").focus();
    else document.querySelector(`[data-key="${key}"]`)?.click();
  }, true);
  document.addEventListener("click", (event) => {
    const kind = event.target.closest?.("[data-ask]")?.dataset.ask;
    if (kind) ask(kind);
    if (event.target.id === "ask-close") by("ask").close();
  });
  // Without a tick it is the chosen page that goes.
  by("place").addEventListener("formdata", (event) => {
    if (!event.formData.has("pages") && chosen()) event.formData.set("page_id", chosen().value);
  });
  chosen()?.focus({ preventScroll: true });
  chosen()?.closest("li").scrollIntoView({ block: "nearest" });
})();
