// What a page can do beyond HTML and CSS: filter a list by text, sort it, keep the view in the address, and warn
// that the page is old. Every page works without it.
(() => {
  "use strict";
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // The page is old when three windows have passed since its newest one.
  const age = $("#age");
  const { until, window: seconds } = document.body.dataset;
  const look = () => {
    const late = Date.now() / 1000 - until;
    if (!(late > 3 * seconds)) return;
    const [unit, length] = late < 7200 ? ["minutes", 60] : late < 172800 ? ["hours", 3600] : ["days", 86400];
    const head = document.createElement("strong");
    head.textContent = `This page is old: its last window ended ${Math.floor(late / length)} ${unit} ago.`;
    age.replaceChildren(head, "Nothing later is on it. Check that the collector and nfpage run.");
    age.hidden = false;
  };
  if (age && until && seconds) {
    look();
    setInterval(look, 60000);
  }

  // The rows of table[data-list] have data-side. A th[data-sort] sorts by data-value of its cells, or their text;
  // the first time downwards if it is data-sort="down".
  const list = $("table[data-list]");
  if (!list) return;
  const rows = all("table[data-list] tr[data-side]");
  const heads = all("table[data-list] th[data-sort]");
  const radios = all("input[name=side],input[name=kind],input[name=state]");
  const search = $("input[data-find]");
  const shown = $("output[data-shown]");
  let order = "";

  const sort = () => {
    const head = heads.find((th) => th.cellIndex === parseInt(order, 10));
    const sign = order.endsWith("-") ? -1 : 1;
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      // Thousands have a comma, which would end the number.
      return cell?.dataset.value ?? cell?.textContent.replace(/(\d),(?=\d{3})/g, "$1") ?? "";
    };
    const compare = (a, b) => sign * value(a).localeCompare(value(b), "en", { numeric: true });
    const sorted = head ? [...rows].sort(compare) : rows;
    for (const row of sorted) row.parentNode.append(row);
    for (const th of heads) th.removeAttribute("aria-sort");
    head?.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
  };
  const filter = () => {
    const words = (search?.value ?? "").toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => row.getClientRects().length).length;
    if (shown) shown.textContent = left < rows.length ? `${left} of ${rows.length} shown` : "";
  };

  // The view in the address: #q=ssh&kind=scan&sort=3-. A fragment without = is an anchor.
  const save = () => {
    const view = new URLSearchParams({ q: search?.value ?? "", sort: order });
    for (const { checked, name, value } of radios) if (checked) view.set(name, value);
    for (const [name, value] of [...view]) if (!value) view.delete(name);
    history.replaceState(null, "", `#${view}`);
  };
  const load = () => {
    if (location.hash.includes("=")) {
      const view = new URLSearchParams(location.hash.slice(1));
      if (search) search.value = view.get("q") ?? "";
      for (const radio of radios) radio.checked = radio.value === (view.get(radio.name) ?? "");
      order = view.get("sort") ?? "";
    }
    sort();
    filter();
  };
  const changed = () => {
    filter();
    save();
  };
  for (const th of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    button.addEventListener("click", () => {
      const [first, second] = th.dataset.sort === "down" ? ["-", ""] : ["", "-"];
      order = th.cellIndex + (order === th.cellIndex + first ? second : first);
      sort();
      save();
    });
    th.append(button);
  }
  search?.addEventListener("input", changed);
  search?.closest("[hidden]")?.removeAttribute("hidden");
  for (const radio of radios) radio.addEventListener("change", changed);
  addEventListener("hashchange", load);
  load();
})();
