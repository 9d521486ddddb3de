// Puts the figures into the page, and follows what its reader chooses.
"use strict";
function set(changes, focus) {
  Object.assign(choice, changes);
  history.replaceState(null, "", hash());
  paint();
  if (focus) document.querySelector(focus)?.focus();
}

function paint() {
  document.documentElement.dataset.theme = dark() ? "dark" : "light";
  const now = selection(),
    vs = comparison(now),
    then = selection(vs),
    fair = (kpi) => isWhole(kpi, now) && isWhole(kpi, then);
  const view = {
    now,
    vs,
    then,
    fair,
    points: bins(now),
    region: choice.region,
    kpi: KPIS[choice.kpi],
  };
  view.before = then.from >= 0 ? bins(now, then) : [];
  paintFilters(now, vs);
  paintState(view);
  paintSentence(view);
  paintNotes(view);
  paintKpis(view);
  paintMain(view);
  paintRegions(view);
  paintStatus(view);
  paintCohorts(view);
  paintCustomers(view);
  paintLost(view);
  paintSettling(view);
  paintDaily(view);
}

function paintFilters({ from, to }, vs) {
  for (const [id, options, chosen] of [
    ["ranges", Object.fromEntries(RANGES.filter((r) => D.ranges[r]).map((r) => [r, r])), choice.range],
    ["grains", GRAINS, choice.grain],
    ["split", { total: "Total", regions: "By region" }, choice.split],
    ["shape", { chart: "Chart", table: "Table" }, choice.shape],
  ])
    if ($(id).querySelectorAll("button").length)
      for (const button of $(id).querySelectorAll("button"))
        button.setAttribute("aria-pressed", button.value === chosen);
    else
      $(id).insertAdjacentHTML(
        "beforeend",
        Object.entries(options)
          .map(
            ([value, label]) =>
              `<button type="button" value="${value}" aria-pressed="${value === chosen}">${label}</button>`,
          )
          .join(""),
      );
  $("split").hidden = D.regions.length < 3 || choice.region > 0;
  $("from").value = iso(Math.max(0, from));
  $("to").value = iso(to);
  $("compare").querySelector('[value="previous_period"]').hidden = from === to;
  $("compare").value = vs;
  $("region").value = choice.region;
}

function listen() {
  $("compare").innerHTML = Object.entries(COMPARISONS)
    .map(([value, label]) => `<option value="${value}">vs ${label}</option>`)
    .join("");
  $("region").innerHTML = NAMES.map(
    (name, n) => `<option value="${n}">${escape(name.length > 40 ? `${name.slice(0, 39)}…` : name)}</option>`,
  ).join("");
  const first = iso(0),
    last = iso(LAST);
  for (const id of ["from", "to"])
    Object.assign($(id), {
      min: first,
      max: last,
      onchange: () => {
        const [from, to] = [dayOf($("from").value), dayOf($("to").value)];
        if (from >= 0 && to <= LAST && from <= to) set({ range: "custom", from, to });
        else paint();
      },
    });
  for (const [id, name] of [
    ["ranges", "range"],
    ["grains", "grain"],
    ["split", "split"],
    ["shape", "shape"],
  ])
    $(id).onclick = ({ target }) => target.value && set({ [name]: target.value });
  $("filters").onsubmit = (event) => event.preventDefault();
  $("compare").onchange = () => set({ vs: $("compare").value });
  $("region").onchange = () => set({ region: Number($("region").value) });
  $("kpis").onclick = ({ target }) => {
    const button = target.closest("button");
    if (button) set({ kpi: Number(button.value) }, `.kpi[value="${button.value}"]`);
  };
  $("regions").onclick = ({ target }) => {
    const head = target.closest("thead button"),
      row = target.closest("[data-region]");
    if (head) {
      sorted = { by: head.value, down: sorted.by === head.value ? !sorted.down : head.value !== "name" };
      paint();
      $("regions").querySelector(`button[value="${head.value}"]`).focus();
    } else if (row) {
      const n = Number(row.dataset.region);
      set({ region: n === choice.region ? 0 : n }, `#regions button[data-region="${n}"]`);
    }
  };
  $("more").onclick = () => {
    expanded = !expanded;
    paint();
  };
  $("csv").onclick = download;
  $("print").onclick = () => print();
  $("theme").onclick = () => set({ theme: dark() ? "light" : "dark" });
  // Of the newest page, the day after has none yet.
  const beside = {
    before: LAST > 0 ? LAST - 1 : null,
    after: location.pathname.includes("/latest/") ? null : LAST + 1,
  };
  for (const [id, day] of Object.entries(beside))
    if (day === null) $(id).setAttribute("aria-disabled", "true");
    else $(id).href = `../date=${iso(day)}/index.html`;
  document.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName))
      return;
    if (event.key >= "1" && event.key <= String(Math.min(9, KPIS.length)))
      set({ kpi: Number(event.key) - 1 });
    if (event.key === "t") set({ shape: choice.shape === "table" ? "chart" : "table" });
  };
  addEventListener("hashchange", () => {
    readHash();
    paint();
  });
  let wait;
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(paint, 80);
  });
  matchMedia("(prefers-color-scheme: dark)").onchange = paint;
}
readHash();
listen();
paint();
performance.mark("drawn");
