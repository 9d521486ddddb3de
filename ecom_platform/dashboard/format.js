// Numbers, days and texts as people read them.
"use strict";
const DAY = 86400000;
const D = JSON.parse(document.getElementById("data").textContent);
const FIRST = Date.parse(D.first_day);
const LAST = D.days - 1; // the report day, as a number of days since the first
const $ = (id) => document.getElementById(id);

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const iso = (day) => new Date(FIRST + day * DAY).toISOString().slice(0, 10);
const dayOf = (text) => Math.round((Date.parse(text) - FIRST) / DAY);
const formatted = (options) => {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  return (day) => format.format(FIRST + day * DAY);
};
const shortDay = formatted({ day: "numeric", month: "short" });
const longDay = formatted({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const monthName = formatted({ month: "short", year: "numeric" });
const weekday = formatted({ weekday: "long", day: "numeric", month: "long" });
const span = (a, b) =>
  a === b
    ? longDay(a)
    : `${shortDay(a)} – ${formatted({ day: "numeric", month: "short", year: "numeric" })(b)}`;

const plain = new Intl.NumberFormat("en-US");
const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat("en-US", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
// Money is in cents; an average of it too, though not in whole ones.
const exact = {
  money: (v) => cents.format(v / 100),
  average: (v) => cents.format(v / 100),
  count: (v) => plain.format(v),
  ratio: (v) => percent.format(v),
  number: (v) => cents.format(v),
};
const rough = {
  ...exact,
  money: (v) => (Math.abs(v) < 1e6 ? exact.money(v) : compact.format(v / 100)),
  count: (v) => (Math.abs(v) < 1e5 ? plain.format(v) : compact.format(v)),
};
const axis = {
  ...exact,
  money: (v) => compact.format(v / 100),
  average: (v) => compact.format(v / 100),
  count: (v) => compact.format(v),
  ratio: (v) => `${Math.round(v * 1000) / 10}%`,
  number: (v) => compact.format(v),
};
const show = (unit, value, how = exact) =>
  value === null || value === undefined || Number.isNaN(value) ? "–" : how[unit](value).replace("-", "−");

// How a value differs from the one before: a share in points, others in percent. Of a value at or
// below zero there is no percentage, nor down to one below it: then it is the difference itself.
function change(unit, now, before) {
  if (now === null || before === null || now === undefined || before === undefined) return null;
  const by = now - before;
  if (unit === "ratio")
    return { by, rank: by, text: signed(by, (v) => (v * 100).toFixed(1), " pp"), flat: Math.abs(by) < 0.0025 };
  if (before <= 0 || now < 0) {
    const text = signed(by, (v) => show(unit, v, rough));
    return { by, rank: by && Math.sign(by) * Number.MAX_VALUE, text, flat: text === "0" };
  }
  const share = by / before;
  return {
    by,
    rank: share,
    text: signed(share, (v) => (v * 100).toFixed(v >= 10 ? 0 : 1), "%"),
    flat: Math.abs(share) < 0.005,
  };
}
// What is nothing once it is rounded has no sign and no decimals.
function signed(value, digits, unit = "") {
  const text = digits(Math.abs(value));
  return `${/[1-9]/.test(text) ? (value > 0 ? "+" : "−") + text : "0"}${unit}`;
}
// Green is good: which way that is depends on the figure.
const tone = (found, better) =>
  !found || found.flat || found.open || better === "neither" ? "" : found.by > 0 === (better === "higher") ? "up" : "down";
const COLOURS = [
  "#5753c6",
  "#c2255c",
  "#0b8a8a",
  "#d9730d",
  "#2f9e44",
  "#8a5a00",
  "#1971c2",
  "#ae3ec9",
  "#5c7a29",
  "#868e96",
];
const STATUS = {
  completed: "#2f9e6e",
  pending: "#e6a117",
  refunded: "#8592ab",
  failed: "#e04848",
  other: "#8f5bd0",
};
// What a spreadsheet would take for a formula is text.
const field = (value) => {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value !== "number" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
};
