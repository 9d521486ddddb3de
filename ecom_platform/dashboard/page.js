// Puts the figures into the page, and follows what its reader chooses.
"use strict";
const pill = (found, better) =>
  found
    ? `<span class="pill ${tone(found, better)}">${found.flat ? "" : found.by > 0 ? "▲ " : "▼ "}${found.text}</span>`
    : "";
const key = (label, colour, shape = "") =>
  `<span><svg class="swatch" viewBox="0 0 14 9" aria-hidden="true">${shape ? `<path d="M0 4.5H14" stroke="${colour}" stroke-width="2.4"${shape === "dashed" ? ' stroke-dasharray="3 2"' : ""}/>` : `<rect width="10" height="9" rx="2" fill="${colour}"/>`}</svg>${escape(label)}</span>`;
const rows = (list) =>
  `<table>${list.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;

function set(changes, focus) {
  Object.assign(choice, changes);
  history.replaceState(null, "", hash());
  paint();
  if (focus) document.querySelector(focus)?.focus();
}

function paint() {
  document.documentElement.dataset.theme = dark() ? "dark" : "light";
  const now = selection(),
    then = selection(choice.vs),
    fair = isWhole(then);
  const view = {
    now,
    then,
    fair,
    points: bins(now.from, now.to),
    region: choice.region,
    kpi: KPIS[choice.kpi],
  };
  view.before = fair && then.from >= 0 ? bins(then.from, then.to) : [];
  paintFilters(now);
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

function paintFilters({ from, to }) {
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
  $("compare").value = choice.vs;
  $("region").value = choice.region;
}

function paintSentence({ now, then, fair, region }) {
  const [revenue] = KPIS,
    day = { from: now.to, to: now.to },
    week = { from: now.to - 7, to: now.to - 7 };
  const said = (found) =>
    found
      ? found.flat
        ? "much the same as"
        : `<span class="${tone(found, "higher")}">${found.by > 0 ? "up" : "down"} ${escape(found.text.replace(/^[+−]/, ""))}</span> on`
      : "";
  const where = region ? ` in ${escape(NAMES[region])}` : "";
  const amount = figure(revenue, region, day),
    compared = change("money", amount, now.to >= 7 ? figure(revenue, region, week) : null);
  let text = `${weekday(now.to)} brought in <b>${show("money", amount)}</b>${where}${compared ? `, ${said(compared)} the same weekday a week before` : ""}.`;
  if (now.from < now.to) {
    const whole = figure(revenue, region, now),
      before = fair ? figure(revenue, region, then) : null,
      found = change("money", whole, before);
    text += ` ${span(Math.max(0, now.from), now.to)} brought <b>${show("money", whole)}</b>${found ? `, ${said(found)} ${COMPARISONS[choice.vs].replace("previous", "the previous")}` : ""}`;
    if (!region && fair && D.regions.length > 2) {
      const moved = NAMES.map((_, n) => n)
        .slice(1)
        .map((n) => [n, (figure(revenue, n, now) ?? 0) - (figure(revenue, n, then) ?? 0)])
        .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))[0];
      if (moved[1])
        text += `; ${escape(NAMES[moved[0]])} ${moved[1] > 0 ? "added" : "lost"} most (<span class="${moved[1] > 0 ? "up" : "down"}">${moved[1] > 0 ? "+" : "−"}${show("money", Math.abs(moved[1]))}</span>)`;
    }
    text += ".";
  }
  $("sentence").innerHTML = text;
}

function paintNotes({ now, region, fair }) {
  const notes = [];
  const age = Math.floor((Date.now() - Date.parse(D.made_at)) / DAY);
  if (age >= 2)
    notes.push(
      `This page was made ${age} days ago, and cannot know what came after. <a href="../latest/index.html">Open the newest one.</a>`,
    );
  const missing = [];
  for (let day = Math.max(0, now.from); day <= now.to; day++)
    if (S.total_orders[0][day] === null) missing.push(shortDay(day));
  if (missing.length)
    notes.push(
      `<b>Not computed:</b> ${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ` and ${missing.length - 5} more days` : ""}. Sums leave these days out.`,
    );
  for (const late of D.late) notes.push(escape(late));
  const changed = restated(now.from, now.to, region);
  if (changed.length) {
    const days = [...new Set(changed.map((one) => one.day))],
      one = changed[changed.length - 1];
    notes.push(
      `<b>Restated:</b> ${days.length} ${days.length > 1 ? "days" : "day"} of this range ${days.length > 1 ? "have" : "has"} been published with other numbers before, marked ◇; last ${shortDay(one.day)}, ${escape(one.label)} was ${escape(one.was)}, is ${escape(one.now)}.`,
    );
  }
  if (!fair)
    notes.push(
      `There is no whole ${COMPARISONS[choice.vs] === "previous period" ? "previous period" : `period ${COMPARISONS[choice.vs]}`} to compare with.`,
    );
  $("notes").hidden = !notes.length;
  $("notes").innerHTML = notes.map((note) => `<p>${note}</p>`).join("");
}

function paintKpis({ now, then, fair, points: found, before, region }) {
  $("kpis").innerHTML = KPIS.map((kpi, n) => {
    const value = figure(kpi, region, now),
      was = fair ? figure(kpi, region, then) : null,
      by = change(kpi.unit, value, was);
    const unknown =
      value === null && kpi.name === "total_customers"
        ? ' title="Customers of several days are not the sum of each day\'s. They are known of the presets, of single days, weeks and months."'
        : "";
    return `<button type="button" class="kpi" value="${n}" aria-pressed="${n === choice.kpi}"${unknown}><span class="label" title="${escape(definition(kpi))}">${escape(kpi.label)}</span><span class="value" title="${show(kpi.unit, value)}">${show(kpi.unit, value, rough)}</span><span class="change">${by ? `${pill(by, kpi.better)}from ${show(kpi.unit, was, rough)}` : "&nbsp;"}</span>${spark(points(kpi, region, found), points(kpi, region, before), n === choice.kpi ? lineColour() : beforeColour())}</button>`;
  }).join("");
}
const definition = (kpi) => (D.definitions.find(([name]) => name === kpi.label) ?? ["", ""])[1];

function paintMain({ now, then, fair, points: found, before, region, kpi }) {
  const by = { day: "by day", week: "by 7 days", month: "by month" }[grain(now.from, now.to)];
  $("chart-title").textContent = `${kpi.label} ${by}${region ? `, ${NAMES[region]}` : ""}`;
  const split = choice.split === "regions" && !region && D.regions.length > 2;
  const last = found[found.length - 1],
    marks = found
      .map((bin, n) => (restated(bin.from, bin.to, region, kpi.name).length ? n : -1))
      .filter((n) => n >= 0);
  const lines = split
    ? NAMES.slice(1, 11).map((name, n) => ({ name, colour: COLOURS[n], values: points(kpi, n + 1, found) }))
    : [
        {
          name: span(Math.max(0, now.from), now.to),
          colour: lineColour(),
          values: points(kpi, region, found),
          area: true,
          marks,
          hollow: last?.running,
        },
        ...(before.length
          ? [
              {
                name: span(then.from, then.to),
                colour: beforeColour(),
                dashed: true,
                values: found.map((_, n) => (n < before.length ? points(kpi, region, [before[n]])[0] : null)),
              },
            ]
          : []),
      ];
  $("chart-legend").innerHTML = lines
    .map((line) => key(line.name, line.colour, line.dashed ? "dashed" : "line"))
    .join("");
  const tip = (n) => {
    const changed =
      marks.includes(n) && !split
        ? restated(found[n].from, found[n].to, region, kpi.name)
            .map((one) => `<p>◇ was ${escape(one.was)}, is ${escape(one.now)}</p>`)
            .join("")
        : "";
    return `<b>${escape(found[n].label)}${found[n].running ? " (running)" : ""}</b>${rows(lines.map((line) => [swatch(line.colour) + escape(split ? line.name : line.dashed ? (before[n]?.label ?? "") : line.name === "" ? "" : found[n].label), show(kpi.unit, line.values[n])]))}${changed}`;
  };
  $("main-chart").hidden = choice.shape === "table";
  $("main-table").hidden = choice.shape !== "table";
  if (choice.shape === "table") {
    $("main-table").innerHTML =
      `<table><thead><tr><th scope="col">${by.slice(3)}</th>${lines.map((line) => `<th scope="col">${escape(line.name)}</th>`).join("")}</tr></thead><tbody>${found.map((bin, n) => `<tr><th scope="row">${escape(bin.label)}</th>${lines.map((line) => `<td>${show(kpi.unit, line.values[n])}</td>`).join("")}</tr>`).join("")}</tbody></table>`;
    return;
  }
  drawLines($("main-chart"), lines, { unit: kpi.unit, labels: found, ticksOf: (n) => found[n].tick, tip });
  $("main-chart").setAttribute(
    "aria-label",
    `${$("chart-title").textContent}, ${lines[0].name}. The table has the numbers.`,
  );
}

function paintBars(id, legend, stacks, view, unit) {
  $(legend).innerHTML = stacks.map((stack) => key(stack.name, stack.colour)).join("");
  const found = view.points;
  drawBars($(id), stacks, {
    unit,
    labels: found,
    ticksOf: (n) => found[n].tick,
    tip: (n) =>
      `<b>${escape(found[n].label)}</b>${rows(stacks.map((stack) => [swatch(stack.colour) + escape(stack.name), show(unit, stack.values[n])]))}`,
  });
  $(id).setAttribute("aria-label", stacks.map((stack) => stack.name).join(", "));
}
const sums = (values, found) =>
  found.map((bin) => total(values, Math.max(0, bin.from), Math.min(LAST, bin.to)));
function paintCustomers(view) {
  // Who returns on two days of a week is two of these: they are the orders' days, not people.
  const by = grain(view.now.from, view.now.to);
  const returning = sums(S.returning_customers[view.region], view.points);
  paintBars(
    "new-chart",
    "new-legend",
    [
      { name: by === "day" ? "Returning" : "Returning, each day", colour: lineColour(), values: returning },
      {
        name: "New",
        colour: dark() ? "#5b6472" : "#a7afbd",
        values: sums(S.new_customers[view.region], view.points),
      },
    ],
    view,
    "count",
  );
}
function paintLost(view) {
  const all = STATUSES.map((status) => sums(S.status[status].payments[view.region], view.points));
  const whole = view.points.map((_, n) => all.reduce((sum, values) => sum + (values[n] ?? 0), 0));
  const stacks = STATUSES.map((status, place) => ({
    name: status,
    colour: STATUS[status],
    values: all[place].map((value, n) => ratio(value ?? 0, whole[n])),
  })).filter((stack) => stack.name !== "completed" && stack.values.some((value) => value));
  paintBars("lost-chart", "lost-legend", stacks, view, "ratio");
}

function download() {
  const { from, to } = selection(),
    value = (unit, v) =>
      v === null || v === undefined
        ? ""
        : unit === "money"
          ? Number((v / 100).toFixed(2))
          : unit === "average"
            ? v / 100
            : v;
  const lines = [["date", "region", ...DAILY.map(([label]) => label.toLowerCase().replace(/ /g, "_"))]];
  for (let day = Math.max(0, from); day <= to; day++)
    D.regions.forEach((region, n) => {
      if (!choice.region || n === choice.region)
        lines.push([iso(day), region, ...DAILY.map(([, unit, of]) => value(unit, of(n, day)))]);
    });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob([lines.map((cells) => cells.map(field).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }),
  );
  link.download = `shop-${iso(Math.max(0, from))}-to-${iso(to)}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
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
