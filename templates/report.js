"use strict";
const announce = (text) => { document.getElementById("announcer").textContent = text; };

// Tables sort by a button in each heading: by the cell's data-key, else its text. Cells without
// a value stay at the end either way.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.key ?? cell.textContent.trim();
    if (text === "" || text === "–") return null;
    return Number.isNaN(Number(text)) ? text.toLowerCase() : Number(text);
  };
  const order = (x, y) => {
    if (typeof x === "number" && typeof y === "number") return x - y;
    return String(x).localeCompare(String(y), "en", { numeric: true });
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = [...body.rows].map((row) => [key(row, column), row]);
      keyed.sort(([x], [y]) => {
        if (x === null || y === null) return (x === null) - (y === null);
        return up ? order(x, y) : order(y, x);
      });
      body.append(...keyed.map(([, row]) => row));
      announce(`Sorted by ${button.textContent}, ${up ? "ascending" : "descending"}`);
    });
  });
}

// Long tables have a filter: the rows that hold every word of it.
document.querySelectorAll("table.filterable").forEach((table, index) => {
  const rows = [...table.tBodies[0].rows];
  const line = document.createElement("p");
  line.className = "filter";
  const label = document.createElement("label");
  label.textContent = "Show rows with";
  const input = document.createElement("input");
  input.type = "search";
  input.id = label.htmlFor = `filter-${index}`;
  input.autocomplete = "off";
  const shown = document.createElement("span");
  shown.className = "small";
  shown.setAttribute("role", "status");
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${rows.length}`;
  };
  line.append(label, input, shown);
  table.parentElement.before(line);
  input.addEventListener("input", show);
  show();
});

// A case's interactions, one at a time; arrow keys, Home and End move between them.
for (const view of document.querySelectorAll(".view")) {
  const buttons = [...view.querySelectorAll(".steps button")];
  const steps = [...view.querySelectorAll(".step")];
  const words = view.querySelector(".words");
  const show = (index) => {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    steps.forEach((step, at) => step.classList.toggle("shown", at === index));
    words.textContent = `Interaction ${buttons[index].textContent}: ${buttons[index].dataset.words}`;
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => show(index));
    button.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (buttons[to]) {
        event.preventDefault();
        buttons[to].focus();
        show(to);
      }
    });
  });
}

// On paper everything is open.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});
