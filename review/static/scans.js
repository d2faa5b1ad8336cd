/* The scan desk: an ended session leads back to sign-in, and why a scan was not taken in is said beside its form. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const status = event.detail.xhr.status;
  if (status === 401) location.reload();
  else if (status >= 400 && event.detail.target.id === "said") event.detail.shouldSwap = true;
});
