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
  const all = [...table.tBodies[0].rows];
  const chosen = () => document.getElementById("view")?.value ?? "0";
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
    const rows = all.filter((row) => (row.dataset.view ?? chosen()) === chosen());
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
  document.addEventListener("viewchange", show);
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

// The choice of cases that tables and figures are over.
const chosenView = document.getElementById("view");
chosenView?.addEventListener("change", () => {
  for (const element of document.querySelectorAll("[data-view]")) {
    element.hidden = element.dataset.view !== chosenView.value;
  }
  document.dispatchEvent(new Event("viewchange"));
  announce(`Tables and curves over ${chosenView.selectedOptions[0].textContent}`);
});

// The data of the heatmap and of the table of cases: packed numbers, one more than they are, with 0
// where there is none.
const data = JSON.parse(document.getElementById("data").textContent);
const unpacked = (text, bytes) => {
  const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return bytes === 1 ? raw : bytes === 2 ? new Uint16Array(raw.buffer) : new Uint32Array(raw.buffer);
};
const caseCount = data.cases.length;
const columns = data.columns.map((column) => ({ ...column, values: unpacked(column.values, column.bytes) }));
const outcomes = unpacked(data.outcome, 2);
const scores = data.scores.map(([name, text]) => ({ name, values: unpacked(text, 1) }));
const pictures = new Map(data.pictures.map(([team, place, view]) => [team * caseCount + place, view]));
const number = (column, at) => {
  const value = column.values[at];
  return value === 0 ? null : (value - 1) / 10 ** column.digits;
};
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// The table of cases: of many rows only those that are seen are there.
{
  const region = document.getElementById("case-list");
  const body = document.getElementById("case-rows");
  const rows = [];
  for (let at = 0; at < outcomes.length; at += 1) if (outcomes[at] !== 0) rows.push(at);
  const team = (at) => Math.floor(at / caseCount);
  const place = (at) => at % caseCount;
  const hasGroups = data.groups.length > 1;
  const fields = [
    { name: "Case", isText: true, of: (at) => data.cases[place(at)][0] },
    ...(hasGroups ? [{ name: "Group", isText: true, of: (at) => data.groups[data.cases[place(at)][1]] }] : []),
    { name: "Submission", isText: true, of: (at) => data.submissions[team(at)] },
    ...columns.map((column) => ({
      name: column.name,
      of: (at) => number(column, at),
      text: (value) => value.toFixed(column.digits),
    })),
    { name: "Outcome", isText: true, of: (at) => data.outcomes[outcomes[at] - 1] },
  ];
  const text = (field, at) => {
    const value = field.of(at);
    if (value === null) return "–";
    return field.text ? field.text(value) : value;
  };
  const finals = columns.filter((column) => column.name !== "Seconds" && !column.name.endsWith("AUC"));
  const worst = (at) => finals.map((column) => number(column, at)).filter((value) => value !== null);
  const byWorst = new Map(rows.map((at) => [at, worst(at)]));
  rows.sort((a, b) => {
    const [x, y] = [byWorst.get(a), byWorst.get(b)];
    return x[0] - y[0] || x[1] - y[1] || a - b;
  });
  let ordered = rows;
  let shown = rows;
  // As many rows as fit a few screens; few rows are all there.
  const WINDOW = 120;
  let height = 36;
  let from = -1;
  const line = (at, index) => {
    const cells = fields.map((field, position) => {
      const cell = element(position === 0 ? "th" : "td");
      if (position === 0) cell.scope = "row";
      cell.className = position === 0 ? "name" : field.isText ? "text" : "";
      const view = position === 0 ? pictures.get(at) : undefined;
      if (view === undefined) cell.textContent = text(field, at);
      else cell.append(element("a", { href: `#view-${view}`, textContent: text(field, at) }));
      return cell;
    });
    return element("tr", { className: index % 2 ? "odd" : "" }, ...cells);
  };
  const space = (rowsBeyond) => {
    const cell = element("td", { colSpan: fields.length });
    cell.style.height = `${rowsBeyond * height}px`;
    return element("tr", { className: "space", ariaHidden: "true" }, cell);
  };
  const draw = (isAll) => {
    const first = isAll || shown.length <= WINDOW ? 0
      : Math.max(0, Math.min(shown.length - WINDOW, Math.floor(region.scrollTop / height) - 40));
    if (first === from) return;
    from = first;
    const last = isAll ? shown.length : Math.min(shown.length, first + WINDOW);
    const lines = shown.slice(first, last).map((at, index) => line(at, first + index));
    if (first > 0) lines.unshift(space(first));
    if (last < shown.length) lines.push(space(shown.length - last));
    body.replaceChildren(...lines);
    const measured = body.querySelector("tr:not(.space)")?.offsetHeight;
    if (measured) height = measured;
  };
  const redraw = (isAll = false) => { from = -1; draw(isAll); };

  const heads = document.getElementById("case-headings");
  fields.forEach((field) => {
    const button = element("button", { type: "button", textContent: field.name });
    const head = element("th", { scope: "col", className: field.isText ? "text" : "" }, button);
    heads.append(head);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      [...heads.cells].forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const collator = new Intl.Collator("en", { numeric: true });
      const keyed = ordered.map((at) => [field.of(at), at]);
      keyed.sort(([x], [y]) => {
        if (x === null || y === null) return (x === null) - (y === null);
        const order = field.isText ? collator.compare(x, y) : x - y;
        return up ? order : -order;
      });
      ordered = keyed.map(([, at]) => at);
      choose();
      announce(`Sorted by ${field.name}, ${up ? "ascending" : "descending"}`);
    });
  });

  const label = element("label", { htmlFor: "case-words", textContent: "Show rows with" });
  const input = element("input", { type: "search", id: "case-words", autocomplete: "off" });
  const count = element("span", { className: "small", role: "status" });
  document.getElementById("case-filter").append(label, input, count);
  let searched;
  const choose = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    searched ??= new Map(rows.map((at) => [at, fields.map((field) => text(field, at)).join(" ").toLowerCase()]));
    shown = ordered.filter((at) => words.every((word) => searched.get(at).includes(word)));
    count.textContent = `${shown.length} of ${rows.length}`;
    region.scrollTop = 0;
    redraw();
  };
  input.addEventListener("input", choose);
  count.textContent = `${rows.length} of ${rows.length}`;
  draw();
  region.addEventListener("scroll", () => requestAnimationFrame(() => draw()));
  // On paper, the worst of very many.
  addEventListener("beforeprint", () => {
    shown = shown.slice(0, 500);
    redraw(true);
  });
  addEventListener("afterprint", choose);
}

// The heatmap: a canvas, as tens of thousands of elements would be slow.
if (document.getElementById("heat")) {
  const teams = data.submissions.length;
  const region = document.getElementById("heat");
  const words = document.getElementById("heat-words");
  const canvas = element("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "img");
  region.append(canvas);
  const controls = document.getElementById("heat-controls");
  const choice = (name, id, options, selected) => {
    const select = element("select", { id }, ...options.map((text, value) => element("option", { value, textContent: text })));
    select.value = selected;
    controls.append(element("span", {}, element("label", { htmlFor: id, textContent: name }), select));
    select.addEventListener("change", draw);
    return select;
  };
  const steps = Array.from({ length: data.interactions }, (_, index) => `interaction ${index + 1}`);
  const scoreChoice = choice("Score", "heat-score", scores.map((score) => score.name), 0);
  const stepChoice = choice("after", "heat-step", steps, data.interactions - 1);
  const orderChoice = choice("cases by", "heat-order", ["group and name", "mean score"], 0);
  const STOPS = [[68, 1, 84], [70, 50, 126], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 193, 109], [160, 218, 57], [253, 231, 37]];
  const shade = (share) => {
    const at = share * (STOPS.length - 1);
    const below = Math.min(Math.floor(at), STOPS.length - 2);
    const channel = (index) => Math.round(STOPS[below][index] + (at - below) * (STOPS[below + 1][index] - STOPS[below][index]));
    return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
  };
  const value = (team, place) => {
    const found = scores[scoreChoice.value].values[(team * caseCount + place) * data.interactions + Number(stepChoice.value)];
    return found === 0 ? null : (found - 1) / 250;
  };
  let cases = data.cases.map((_, place) => place);
  let at = { team: 0, column: 0 };
  let size = { left: 0, width: 0, height: 0 };
  const TOP = 20;
  const BOTTOM = 4;
  const colours = Array.from({ length: 251 }, (_, index) => shade(index / 250));
  function draw() {
    const view = chosenView ? Number(chosenView.value) - 2 : -1;
    cases = data.cases.map((_, place) => place).filter((place) => view < 0 || data.cases[place][1] === view);
    if (Number(orderChoice.value) === 1) {
      const mean = (place) => {
        let sum = 0;
        for (let team = 0; team < teams; team += 1) sum += value(team, place) ?? 0;
        return sum;
      };
      const means = new Map(cases.map((place) => [place, mean(place)]));
      cases.sort((a, b) => means.get(a) - means.get(b));
    }
    at.column = Math.max(0, Math.min(at.column, cases.length - 1));
    const style = getComputedStyle(document.body);
    const left = Math.min(170, Math.max(90, region.clientWidth / 4));
    const room = Math.max(200, region.clientWidth - left - 4);
    const width = Math.max(2, Math.min(48, Math.floor(room / Math.max(1, cases.length))));
    const height = teams > 20 ? 15 : 24;
    size = { left, width, height };
    const scale = devicePixelRatio || 1;
    const [wide, tall] = [left + width * cases.length + 2, TOP + height * teams + BOTTOM];
    canvas.width = Math.min(16000, wide * scale);
    canvas.height = tall * scale;
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${tall}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = `${height > 20 ? 13 : 11}px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    for (let team = 0; team < teams; team += 1) {
      pen.fillStyle = style.color;
      const name = `${team + 1} ${data.submissions[team]}`;
      let letters = name;
      while (letters.length > 2 && pen.measureText(letters).width > left - 12) letters = letters.slice(0, -1);
      pen.fillText(letters === name ? name : `${letters.slice(0, -1)}…`, 2, TOP + (team + 0.5) * height);
      cases.forEach((place, column) => {
        const found = value(team, place);
        const [x, y] = [left + column * width, TOP + team * height];
        const gap = width > 6 ? 1 : 0;
        if (found === null) {
          pen.strokeStyle = style.color;
          pen.lineWidth = 0.4;
          pen.beginPath();
          pen.moveTo(x, y + height - 1);
          pen.lineTo(x + width - gap, y);
          pen.stroke();
        } else {
          pen.fillStyle = colours[Math.round(found * 250)];
          pen.fillRect(x, y, width - gap, height - 1);
        }
        if (pictures.has(team * caseCount + place) && width > 6) {
          pen.fillStyle = "#fff";
          pen.beginPath();
          pen.moveTo(x + width - 1, y);
          pen.lineTo(x + width - 7, y);
          pen.lineTo(x + width - 1, y + 6);
          pen.fill();
        }
      });
    }
    // Groups, where their cases stand side by side.
    if (data.groups.length > 1 && Number(orderChoice.value) === 0) {
      let begin = 0;
      for (let column = 1; column <= cases.length; column += 1) {
        const group = data.cases[cases[begin]]?.[1];
        if (column < cases.length && data.cases[cases[column]][1] === group) continue;
        pen.fillStyle = style.color;
        pen.fillRect(left + begin * width, 2, 1, TOP - 2);
        const name = data.groups[group] ?? "";
        if (pen.measureText(name).width < (column - begin) * width - 6) pen.fillText(name, left + begin * width + 4, 10);
        begin = column;
      }
    }
    if (document.activeElement === canvas && cases.length > 0) {
      pen.strokeStyle = "#ff3b30";
      pen.lineWidth = 2;
      pen.strokeRect(left + at.column * width, TOP + at.team * height, Math.max(3, width), height - 1);
    }
    canvas.setAttribute("aria-label", `Heatmap of ${scores[scoreChoice.value].name}, ${teams} submissions and ${cases.length} cases`);
  }
  const say = () => {
    const place = cases[at.column];
    if (place === undefined) return;
    const index = at.team * caseCount + place;
    const [name, group] = data.cases[place];
    const figures = columns.map((column) => {
      const found = number(column, index);
      return `${column.name} ${found === null ? "–" : found.toFixed(column.digits)}`;
    });
    const where = data.groups.length > 1 ? ` (${data.groups[group]})` : "";
    const outcome = outcomes[index] === 0 ? "missing" : data.outcomes[outcomes[index] - 1];
    const view = pictures.get(index);
    words.replaceChildren(`${data.submissions[at.team]}, ${name}${where}: ${outcomes[index] === 0 ? "missing" : `${figures.join(", ")}, ${outcome}`} `);
    if (view !== undefined) words.append(element("a", { href: `#view-${view}`, textContent: "its picture" }));
  };
  const open = () => {
    say();
    const view = pictures.get(at.team * caseCount + cases[at.column]);
    if (view !== undefined) {
      location.hash = `view-${view}`;
      document.getElementById(`view-${view}`).focus();
    }
  };
  const pointed = (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - size.left) / size.width);
    const team = Math.floor((event.clientY - box.top - TOP) / size.height);
    if (column < 0 || column >= cases.length || team < 0 || team >= teams) return false;
    at = { team, column };
    return true;
  };
  canvas.addEventListener("mousemove", (event) => { if (pointed(event)) say(); });
  canvas.addEventListener("click", (event) => { if (pointed(event)) { draw(); open(); } });
  canvas.addEventListener("focus", () => { draw(); say(); });
  canvas.addEventListener("blur", draw);
  canvas.addEventListener("keydown", (event) => {
    const moves = {
      ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
      Home: [0, -caseCount], End: [0, caseCount],
    };
    if (event.key === "Enter") return open();
    const move = moves[event.key];
    if (!move) return undefined;
    event.preventDefault();
    at = {
      team: Math.max(0, Math.min(teams - 1, at.team + move[0])),
      column: Math.max(0, Math.min(cases.length - 1, at.column + move[1])),
    };
    draw();
    return say();
  });
  draw();
  document.addEventListener("viewchange", draw);
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// On paper everything is open.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
});
