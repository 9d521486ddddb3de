// What is shown: the choices, and the figures that follow from them. Nothing here draws.
"use strict";
const RANGES = ["1D", "7D", "28D", "90D", "MTD", "QTD", "YTD", "12M"];
const COMPARISONS = {
  previous_period: "previous period",
  previous_week: "a week before",
  previous_year: "a year before",
};
const GRAINS = { auto: "Auto", day: "Day", week: "Week", month: "Month" };
const KPIS = [
  { name: "total_revenue", label: "Revenue", unit: "money", better: "higher" },
  { name: "total_orders", label: "Orders", unit: "count", better: "higher" },
  { name: "total_customers", label: "Customers", unit: "count", better: "higher" },
  { name: "average_order_value", label: "Average order value", unit: "average", better: "higher" },
  {
    name: "customer_retention_rate",
    label: `${D.retention_days}-day retention`,
    unit: "ratio",
    better: "higher",
  },
  { name: "completed_payments", label: "Payments completed", unit: "ratio", better: "higher" },
  ...D.own.map((own) => ({ ...own, own: true })),
];
const S = D.series;
const STATUSES = Object.keys(S.status);
const DEFAULTS = {
  range: D.ranges["28D"] ? "28D" : "custom",
  from: 0,
  to: LAST,
  vs: "previous_period",
  region: 0,
  grain: "auto",
  kpi: 0,
  split: "total",
  shape: "chart",
  theme: "",
};
const choice = { ...DEFAULTS };

function readHash() {
  const said = new URLSearchParams(location.hash.slice(1));
  Object.assign(choice, DEFAULTS);
  const among = (name, allowed) => allowed.includes(said.get(name)) && (choice[name] = said.get(name));
  among(
    "range",
    RANGES.filter((range) => D.ranges[range]),
  );
  among("vs", Object.keys(COMPARISONS));
  among("grain", Object.keys(GRAINS));
  among("split", ["total", "regions"]);
  among("shape", ["chart", "table"]);
  among("theme", ["light", "dark"]);
  choice.region = Math.max(0, D.regions.indexOf(said.get("region") ?? "all"));
  choice.kpi = Math.max(
    0,
    KPIS.findIndex((kpi) => kpi.name === said.get("kpi")),
  );
  const [from, to] = [dayOf(said.get("from")), dayOf(said.get("to"))];
  if (from >= 0 && from <= to && to <= LAST) Object.assign(choice, { range: "custom", from, to });
}
function hash() {
  const said = new URLSearchParams();
  for (const name of ["vs", "grain", "split", "shape", "theme"])
    if (choice[name] !== DEFAULTS[name]) said.set(name, choice[name]);
  if (choice.range === "custom") {
    said.set("from", iso(choice.from));
    said.set("to", iso(choice.to));
  } else if (choice.range !== DEFAULTS.range) said.set("range", choice.range);
  if (choice.region) said.set("region", D.regions[choice.region]);
  if (choice.kpi) said.set("kpi", KPIS[choice.kpi].name);
  return `#${said}`;
}

// One day is compared with the same weekday, as everywhere on the page: the day before is another.
const comparison = ({ from, to }) =>
  from === to && choice.vs === "previous_period" ? "previous_week" : choice.vs;
// What any single day is compared with, whatever range it stands in.
const dayBefore = (day) => {
  const before = choice.vs === "previous_year" ? yearBefore(day) : day - 7;
  return before < 0 ? null : before;
};
const dayComparison = () =>
  choice.vs === "previous_year" ? "the day a year before" : "the same weekday a week before";

// Days from and to, and the preset's own figures where there is one.
function selection(comparison = "current") {
  if (choice.range !== "custom") {
    const preset = D.ranges[choice.range][comparison];
    return { from: preset.first, to: preset.last, preset };
  }
  const { from, to } = choice,
    length = to - from + 1;
  if (comparison === "previous_period") return { from: from - length, to: from - 1 };
  if (comparison === "previous_week") return { from: from - 7, to: to - 7 };
  if (comparison === "previous_year") return { from: yearBefore(from), to: yearBefore(to) };
  return { from, to };
}
const dateOf = (day) => new Date(FIRST + day * DAY);
const dayAt = (...date) => Math.round((Date.UTC(...date) - FIRST) / DAY);
const monthOf = (day) => dayAt(dateOf(day).getUTCFullYear(), dateOf(day).getUTCMonth(), 1);
const monthEnd = (day) => dayAt(dateOf(day).getUTCFullYear(), dateOf(day).getUTCMonth() + 1, 0);
function yearBefore(day) {
  const now = dateOf(day),
    leap = now.getUTCMonth() === 1 && now.getUTCDate() === 29;
  return dayAt(now.getUTCFullYear() - 1, now.getUTCMonth(), leap ? 28 : now.getUTCDate());
}
// Which days a figure has: it may begin late, lack some, or never have been computed.
const covered = (kpi) => D.coverage[kpi.name];
const has = (kpi, day) => {
  const { since, missing } = covered(kpi);
  return since !== null && day >= Math.max(0, since) && day <= LAST && !missing.includes(day);
};
// A figure of a range is that of its last day, where days do not add up.
const isOfLastDay = (kpi) => kpi.name === "customer_retention_rate" || (kpi.own && !kpi.additive);
const lacking = (kpi, { from, to }) =>
  covered(kpi).missing.filter((day) => day >= (isOfLastDay(kpi) ? to : from) && day <= to);
// Of days that are not all there, the sum is none to compare with.
const isWhole = (kpi, { from, to }) => {
  for (let day = isOfLastDay(kpi) ? to : from; day <= to; day++) if (!has(kpi, day)) return false;
  return true;
};
// Why a figure has no value for a day; nothing where it was computed.
function reason(kpi, day) {
  const { since, missing } = covered(kpi);
  if (since === null) return "not computed yet";
  if (!missing.includes(day)) return "";
  const gaps =
    kpi.name === "customer_retention_rate"
      ? D.coverage.total_orders.missing.filter((gap) => gap <= day && gap > day - D.retention_days)
      : [];
  return gaps.length ? `orders of ${someDays(gaps)} are missing` : `${shortDay(day)} is missing`;
}
const someDays = (days) =>
  days.slice(0, 3).map(shortDay).join(", ") + (days.length > 3 ? ` and ${days.length - 3} more days` : "");
function total(values, from, to) {
  let sum = null;
  for (let day = from; day <= to; day++) if (typeof values[day] === "number") sum = (sum ?? 0) + values[day];
  return sum;
}
const ratio = (a, b) => (a === null || !b ? null : a / b);

function figure(kpi, region, chosen) {
  const { from, to, preset } = chosen;
  if (kpi.own) return kpi.additive ? total(kpi.values[region], from, to) : (kpi.values[region][to] ?? null);
  switch (kpi.name) {
    case "total_revenue":
      return preset ? preset.revenue[region] : total(S.total_revenue[region], from, to);
    case "total_orders":
      return preset ? preset.orders[region] : total(S.total_orders[region], from, to);
    case "average_order_value":
      return preset ? preset.average[region] : average(region, from, to);
    case "total_customers":
      return customers(region, chosen);
    case "customer_retention_rate":
      return preset
        ? preset.retention[region]
        : ratio(S.repeat_customers[region][to] ?? null, S.active_customers[region][to]);
    default: {
      const all = STATUSES.map((status) => total(S.status[status].payments[region], from, to));
      return ratio(
        all[STATUSES.indexOf("completed")],
        all.reduce((a, b) => a + (b ?? 0), 0),
      );
    }
  }
}
// Revenue over orders of the days that have both.
function average(region, from, to) {
  const [revenue, orders] = [S.total_revenue[region], S.total_orders[region]];
  const both = (values) => values.map((value, day) => (has(KPIS[3], day) ? value : null));
  return ratio(total(both(revenue), from, to), total(both(orders), from, to));
}
// Customers of several days are not the sum of each: they are known of a day, of the presets, of
// weeks up to the report day and of months, and of nothing else.
function customers(region, { from, to, preset }) {
  if (preset) return preset.customers[region];
  if (from === to) return S.total_customers[region][from] ?? null;
  for (const bins of [D.weeks, D.months]) {
    const bin = bins.first.findIndex((first, n) => first === from && bins.last[n] === to);
    if (bin >= 0) return bins.customers[region][bin];
  }
  for (const range of Object.values(D.ranges))
    for (const known of Object.values(range))
      if (known.first === from && known.last === to) return known.customers[region];
  return null;
}

// The points of charts: days, 7 days that end on the report day, or months, cut to the range. One of
// which days are left out, or not computed, is partial.
function grain(from, to) {
  if (choice.grain !== "auto") return choice.grain;
  return to - from < 92 ? "day" : to - from < 380 ? "week" : "month";
}
// Weeks of what is compared end as many days before its last one as those of the range do.
function bins(now, { from, to } = now) {
  const by = grain(now.from, now.to),
    found = [];
  let last = by === "week" ? to + ((LAST - now.to) % 7) : to;
  for (; last >= Math.max(0, from); ) {
    const first = by === "day" ? last : by === "week" ? last - 6 : monthOf(last);
    const end = by === "month" ? monthEnd(first) : last;
    found.unshift(bin(by, first, end, Math.max(first, from, 0), Math.min(end, to)));
    last = first - 1;
  }
  return found;
}
function bin(by, first, end, from, to) {
  const whole = end - first + 1,
    days = S.total_orders[0].slice(from, to + 1).filter((value) => value !== null).length;
  const label = by === "month" ? monthName(first) : by === "week" ? span(from, to) : longDay(first);
  const partial = by !== "day" && days < whole;
  return {
    from,
    to,
    partial,
    label: partial ? `${label} (${days} of ${whole} days)` : label,
    tick: by === "month" ? monthName(first) : shortDay(to),
  };
}
const points = (kpi, region, found) => found.map((bin) => figure(kpi, region, bin));
