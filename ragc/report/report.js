// Search and filters over the questions. Without this script every question is shown.
const form = document.querySelector("form.filter");
if (form) {
  const items = [...document.querySelectorAll("details.question")].map((item) => ({
    item,
    text: item.textContent.toLowerCase(),
  }));
  const count = form.querySelector(".count");
  const value = (name) => form.elements[name]?.value ?? "";
  const apply = () => {
    const words = value("text").toLowerCase().split(/\s+/).filter(Boolean);
    const [outcome, slice, mode] = [value("outcome"), value("slice"), value("mode")];
    let shown = 0;
    for (const { item, text } of items) {
      const data = item.dataset;
      item.hidden = !(
        words.every((word) => text.includes(word)) &&
        (!outcome || data.outcome === outcome) &&
        (!slice || data.slice === slice) &&
        (!mode || data.modes.split("|").includes(mode))
      );
      shown += item.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${items.length} questions`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}
// A link to a passage opens what the passage is folded away in.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
