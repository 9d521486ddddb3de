// How figures compare with earlier ones, and which of them are not settled yet. Nothing here draws.
"use strict";
// Payments are pending at first, and settle within so many days: 99 % of what came in of days that
// are long closed had come in by then.
const RIPE_AFTER = ripeAfter();
function ripeAfter() {
  const { received, within } = D.funnel,
    closed = LAST - D.close_after_days;
  const all = total(received[0], 0, closed);
  const found = Object.keys(within).find((age) => all > 0 && total(within[age][0], 0, closed) >= all * 0.99);
  return Number(found ?? D.close_after_days);
}
const SETTLED = LAST - RIPE_AFTER; // the newest day that is
const ripens = (kpi) => kpi.name === "completed_payments";

// The days of a range that are settled, and as many of what it is compared with; null for none.
function settledPart(now, then) {
  const to = Math.min(now.to, SETTLED);
  return to < now.from
    ? null
    : { now: { from: now.from, to }, then: { from: then.from, to: Math.min(then.to, then.from + to - now.from) } };
}
const pending = (region, { from, to }) =>
  total(S.status.pending.amount[region], Math.max(from, SETTLED + 1, 0), to) ?? 0;

// What every place of the page says of a figure and the one before: null where it says nothing.
// `was` is the one before; `until` the last day of those compared, where the others are not settled;
// `isProvisional` means that none is; `open` is what is pending, and may make up for a fall.
function compared(kpi, region, { now, then, fair = () => true }) {
  if (!fair(kpi)) return null;
  if (ripens(kpi) && now.to > SETTLED) {
    const part = settledPart(now, then);
    if (!part) return { isProvisional: true };
    const [value, was] = [figure(kpi, region, part.now), figure(kpi, region, part.then)];
    const found = change(kpi.unit, value, was);
    return found && { ...found, was, until: part.now.to };
  }
  const was = figure(kpi, region, then),
    found = change(kpi.unit, figure(kpi, region, now), was);
  if (!found) return null;
  const of = { total_revenue: 1, average_order_value: figure(KPIS[1], region, now) }[kpi.name],
    open = pending(region, now);
  const mayGrow = of && found.by < 0 && open >= -found.by * of;
  return { ...found, was, ...(mayGrow && { open }) };
}
// Of one day, whatever range it stands in.
function comparedDay(kpi, region, day) {
  const before = dayBefore(day);
  return before === null
    ? null
    : compared(kpi, region, { now: { from: day, to: day }, then: { from: before, to: before } });
}

// Settled days whose published numbers have changed since, the newest change first.
const restated = (from, to, region, ...metrics) =>
  D.restated.filter(
    (one) =>
      one.day >= from &&
      one.day <= to &&
      (!metrics.length || metrics.includes(one.metric)) &&
      one.region === D.regions[region],
  );
const unitOf = (metric) => KPIS.find((kpi) => kpi.name === metric).unit;
const effect = (changed, metric) =>
  changed.filter((one) => one.metric === metric).reduce((sum, one) => sum + (one.now ?? 0) - (one.was ?? 0), 0);
// What a figure was when its days were settled; null where it is not told: people do not add up.
function asSettled(kpi, region, now, changed) {
  const before = (one) => figure(one, region, now) - effect(changed, one.name);
  if (kpi.name === "average_order_value") return ratio(before(KPIS[0]), before(KPIS[1]));
  return kpi.name === "total_customers" && now.from < now.to ? null : before(kpi);
}
