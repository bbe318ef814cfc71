// From a figure to the rows behind it. Shapes of a drawing are links without a script; with it a click beside a shape counts for
// the nearest one, figures of the tables are links as soon as a table is opened, and a finger, whose first tap shows the numbers,
// finds the links there.
"use strict";

const NOT_KNOWN = ""; // `data-value` of a figure that has no value

// The key of a row, `weekday=0,hour=3`, as an address says it; null where a value could be read in two ways.
function keyOf(row, names) {
  if (!names) return [];
  const columns = names.split(" ");
  const parts = row.dataset.key.split(new RegExp(`(?:^|,)(?:${columns.map((name) => name.replace("key.", "")).join("|")})=`)).slice(1);
  return parts.length === columns.length ? columns.map((name, index) => [name, parts[index]]) : null;
}

function linkRow(row) {
  const table = row.closest("table");
  const key = keyOf(row, table.dataset.keys);
  if (key === null) return;
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const cell = row.cells[index];
    if (heading.dataset.leads === undefined || cell.dataset.value === NOT_KNOWN || cell.querySelector("a")) return;
    const asked = new URLSearchParams([["table", table.dataset.table.replace("kpi.", "")], ["column", heading.dataset.column], ...key]);
    const link = document.createElement("a");
    link.href = `/receipt?${asked}${table.dataset.kept ? `&${table.dataset.kept}` : ""}`;
    link.append(...cell.childNodes);
    cell.append(link);
  });
}

function leadFromTable(details) {
  details.addEventListener("toggle", () => {
    if (details.open) details.querySelectorAll("tbody tr").forEach(linkRow);
  });
}

// The row that the tip tells of, its figures linked.
function toldRow() {
  if (tip.hidden) return null;
  const row = rowsOf(document.getElementById(tip.dataset.panel))[tip.dataset.row];
  linkRow(row);
  return row;
}

function linkTip() {
  const row = toldRow();
  if (!row) return;
  [...tip.querySelectorAll("div")].forEach((line, index) => {
    const link = row.cells[index + 1].querySelector("a");
    if (link) line.lastChild.replaceChildren(link.cloneNode(true));
  });
  tip.classList.add("leads");
}

function followFirst() {
  const link = toldRow()?.querySelector("a");
  if (link) location.assign(link.href);
}

// The shape of the day under the pointer that is nearest to it.
function nearest(svg, event) {
  const step = Number(svg.dataset.step);
  if (!step && svg.dataset.rows !== "1") return null;
  const box = svg.getBoundingClientRect();
  const scale = svg.viewBox.baseVal.width / box.width;
  const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  const away = [...svg.querySelectorAll("a")].map((link) => {
    const shape = link.getBBox();
    const aside = Math.abs(shape.x + shape.width / 2 - x);
    return { link, far: aside > step / 2 + 1 ? Infinity : Math.max(0, shape.y - y, y - shape.y - shape.height) };
  });
  return away.reduce((best, one) => (one.far < best.far ? one : best), { link: null, far: Infinity }).link;
}

function leadFromChart(svg) {
  let pointer = "";
  svg.addEventListener("pointerdown", (event) => { pointer = event.pointerType; });
  svg.addEventListener("click", (event) => {
    if (pointer === "touch") {
      event.preventDefault();
      linkTip();
    } else if (!event.target.closest("a")) {
      const link = nearest(svg, event);
      if (link) location.assign(link.getAttribute("href"));
      else if (!svg.querySelector("a")) followFirst();
    }
  });
  svg.addEventListener("keydown", (event) => { if (event.key === "Enter") followFirst(); });
}

function lead() {
  document.querySelectorAll("details.behind").forEach(leadFromTable);
  document.querySelectorAll(".panel .chart").forEach(leadFromChart);
}
lead();
document.addEventListener("turned", lead);
