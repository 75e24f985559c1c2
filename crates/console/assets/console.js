// What moves by itself, and copying. Every page works without it.
"use strict";

// Replaces elements of the page, or adds them at the head of its list, as the server sends them.
for (const place of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(place.dataset.events);
  const list = place.matches("[data-list]") ? place : place.querySelector("[data-list]");
  source.addEventListener("part", (event) => {
    const template = document.createElement("template");
    template.innerHTML = event.data;
    const element = template.content.firstElementChild;
    const earlier = element && document.getElementById(element.id);
    if (earlier) earlier.replaceWith(element);
    else if (element && list) list.prepend(element);
  });
  // What is shown gets old as soon as nobody tells.
  const lost = document.createElement("p");
  lost.className = "notice warn";
  lost.role = "alert";
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED || lost.isConnected) return;
    lost.textContent = `No connection to the key service since ${new Date().toLocaleTimeString()}. What you see is old.`;
    document.querySelector("h1").after(lost);
  });
  source.addEventListener("open", () => lost.remove());
  source.addEventListener("over", () => source.close());
  source.addEventListener("reload", () => location.reload());
  addEventListener("pagehide", () => source.close());
}

// Who types a value has chosen it.
for (const field of document.querySelectorAll("[data-chooses]")) {
  field.addEventListener("input", () => {
    if (field.value) document.getElementById(field.dataset.chooses).checked = true;
  });
}

// All boxes of the page at once. Without a script the page is loaded anew for it.
for (const link of document.querySelectorAll("[data-selects]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    for (const box of document.querySelectorAll(".select input")) box.checked = link.dataset.selects === "all";
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  const copied = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
      copied.textContent = "Copied.";
    } catch {
      // Without TLS a browser gives no clipboard. Then the text is selected, to be copied by hand.
      getSelection().selectAllChildren(text);
      copied.textContent = "Selected: copy it by hand.";
    }
  });
}
