// The tables of the page: regions, payment status, cohorts, what was received, each day.
"use strict";
const NAMES = D.regions.map((region) => (region === "all" ? "All regions" : region));
const dark = () =>
  (choice.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const lineColour = () => (dark() ? "#9d9bff" : "#5753c6");
const beforeColour = () => (dark() ? "#7d8798" : "#8b94a3");
const coloured = (found, better) => `<td class="${tone(found, better)}">${found ? found.text : "–"}</td>`;
const named = (n) => `<span class="name" title="${escape(NAMES[n])}">${escape(NAMES[n])}</span>`;
const swatch = (colour) =>
  `<svg class="swatch" viewBox="0 0 9 9" aria-hidden="true"><circle cx="4.5" cy="4.5" r="4.5" fill="${colour}"/></svg>`;
let expanded = false,
  sorted = { by: "revenue", down: true };

function paintRegions({ now, then, fair, region }) {
  const [revenue, orders, buyers, average, retention] = KPIS;
  const whole = figure(revenue, 0, now);
  const list = NAMES.map((name, n) => {
    const value = figure(revenue, n, now);
    return {
      n,
      name,
      revenue: value,
      share: ratio(value, whole),
      change: compared(revenue, n, { now, then, fair }),
      orders: figure(orders, n, now),
      customers: figure(buyers, n, now),
      average: figure(average, n, now),
      retention: figure(retention, n, now),
    };
  });
  // What a region took from the whole is no share of it.
  if (list.some((one) => one.revenue < 0)) for (const one of list) one.share = null;
  const by = (one) =>
    sorted.by === "change" ? (one.change?.rank ?? -Infinity) : (one[sorted.by] ?? -Infinity);
  const others = list
    .slice(1)
    .sort(
      (a, b) =>
        (sorted.by === "name" ? a.name.localeCompare(b.name) : by(a) - by(b)) * (sorted.down ? -1 : 1),
    );
  const head = {
    name: "Region",
    revenue: "Revenue",
    share: "Share",
    change: "Change",
    orders: "Orders",
    customers: "Customers",
    average: "Average order",
    retention: "Retention",
  };
  const cells = (one) =>
    `<td>${show("money", one.revenue)}</td><td>${show("ratio", one.share)}${one.share === null ? "" : `<svg class="share" viewBox="0 0 46 6" aria-hidden="true"><rect class="back" width="46" height="6" rx="3"/><rect width="${Math.max(0, Math.min(46, (one.share ?? 0) * 46))}" height="6" rx="3" fill="${one.n ? COLOURS[(one.n - 1) % COLOURS.length] : lineColour()}"/></svg>`}</td>${coloured(one.change, "higher")}<td>${show("count", one.orders)}</td><td>${show("count", one.customers)}</td><td>${show("average", one.average)}</td><td>${show("ratio", one.retention)}</td>`;
  $("regions").innerHTML = `<table><thead><tr>${Object.entries(head)
    .map(
      ([name, label]) =>
        `<th scope="col"${sorted.by === name ? ` aria-sort="${sorted.down ? "descending" : "ascending"}"` : ""}><button type="button" value="${name}">${label}${sorted.by === name ? (sorted.down ? " ↓" : " ↑") : ""}</button></th>`,
    )
    .join(
      "",
    )}</tr></thead><tbody>${others.map((one) => `<tr class="pick" data-region="${one.n}" aria-selected="${one.n === region}"><th scope="row"><button type="button" data-region="${one.n}" aria-pressed="${one.n === region}">${swatch(COLOURS[(one.n - 1) % COLOURS.length])}${named(one.n)}</button></th>${cells(one)}</tr>`).join("")}</tbody><tfoot><tr><th scope="row">All regions</th>${cells(list[0])}</tr></tfoot></table>`;
}

function paintStatus({ now, then, fair, region }) {
  const sum = (of, { from, to }) =>
    STATUSES.map((status) => total(S.status[status][of][region], from, to)).reduce(
      (all, one) => (one === null ? all : (all ?? 0) + one),
      null,
    );
  const count = (status, chosen) => total(S.status[status].payments[region], chosen.from, chosen.to);
  const all = sum("payments", now);
  // Statuses of days that are not settled are not compared: more of their payments are pending.
  const part = fair(KPIS[5]) && settledPart(now, then);
  let left = 0;
  $("status-bar").innerHTML =
    `<svg viewBox="0 0 400 10" width="100%" height="10" preserveAspectRatio="none" role="img" aria-label="Shares of the payment statuses">${STATUSES.map(
      (status) => {
        const wide = all ? (count(status, now) / all) * 400 : 0,
          part = `<rect x="${left}" width="${wide}" height="10" fill="${STATUS[status]}"/>`;
        left += wide;
        return part;
      },
    ).join("")}</svg>`;
  const body = STATUSES.map((status) => {
    const share = ratio(count(status, now), all),
      moved = part
        ? change("ratio", ratio(count(status, part.now), sum("payments", part.now)), ratio(count(status, part.then), sum("payments", part.then)))
        : null;
    const better = { completed: "higher", pending: "neither" }[status] ?? "lower";
    return `<tr><th scope="row">${swatch(STATUS[status])}${status}</th><td>${show("count", count(status, now))}</td><td>${show("ratio", share)}</td>${coloured(moved, better)}<td>${show("money", total(S.status[status].amount[region], now.from, now.to))}</td></tr>`;
  });
  $("status").innerHTML =
    `<table><thead><tr><th scope="col">Status</th><th scope="col">Payments</th><th scope="col">Share</th><th scope="col">Change</th><th scope="col">Amount</th></tr></thead><tbody>${body.join("")}</tbody><tfoot><tr><th scope="row">All</th><td>${show("count", all)}</td><td></td><td></td><td>${show("money", sum("amount", now))}</td></tr></tfoot></table>`;
  $("status-note").textContent =
    now.to <= SETTLED
      ? ""
      : `Pending payments are filed under the day of their order until they are paid, so the newest days have more of them. Days are settled after ${RIPE_AFTER} ${RIPE_AFTER === 1 ? "day" : "days"}; ${now.from <= SETTLED ? `${part ? "changes are of " : ""}those up to ${shortDay(SETTLED)}${part ? "" : " are"}` : "none of these is yet"}.`;
}

function paintCohorts({ region }) {
  const { months, complete, size, customers: ordered } = D.cohorts,
    count = Math.min(months.length, 13),
    first = Math.max(0, months.length - count);
  const running = (cohort, n) => cohort + n === months.length - 1 && !complete;
  const cell = (share, extra = "") =>
    share === null
      ? "<td></td>"
      : `<td class="cell${extra}" data-heat="${Math.min(0.5, 0.06 + share * 1.2).toFixed(2)}">${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%</td>`;
  const heads = Array.from({ length: count - 1 }, (_, n) => n + 1);
  const average = heads.map((n) => {
    let people = 0,
      again = 0;
    for (let cohort = first; cohort + n < months.length; cohort++)
      if (!running(cohort, n)) {
        people += size[region][cohort];
        again += ordered[region][cohort][n] ?? 0;
      }
    return ratio(again, people);
  });
  const body = months.slice(first).map((month, place) => {
    const cohort = first + place,
      people = size[region][cohort];
    return `<tr><th scope="row">${escape(monthName(month))}</th><td>${show("count", people)}</td>${heads.map((n) => (cohort + n < months.length && people ? cell((ordered[region][cohort][n] ?? 0) / people, running(cohort, n) ? " running" : "") : "<td></td>")).join("")}</tr>`;
  });
  $("cohorts").innerHTML =
    `<table class="heat"><thead><tr><th scope="col">First order</th><th scope="col">New</th>${heads.map((n) => `<th scope="col">M${n}</th>`).join("")}</tr></thead><tbody><tr class="average"><th scope="row">Average</th><td></td>${average.map((share) => cell(share)).join("")}</tr>${body.join("")}</tbody></table>`;
  for (const found of $("cohorts").querySelectorAll("[data-heat]"))
    found.style.backgroundColor = `rgb(var(--heat), ${found.dataset.heat})`;
}

function paintSettling({ now, region }) {
  const F = D.funnel,
    ages = Object.keys(F.within);
  const list = [];
  for (let day = now.to; day >= Math.max(0, now.from) && list.length < 10; day--) {
    const ordered = F.ordered[region][day] ?? null;
    list.push(
      `<tr><th scope="row">${longDay(day)}</th><td>${show("count", F.orders[region][day])}</td><td>${show("money", ordered)}</td>${ages.map((age) => `<td>${LAST - day >= Number(age) ? show("ratio", ratio(F.within[age][region][day] ?? null, ordered)) : "not yet"}</td>`).join("")}<td>${show("ratio", ratio(F.received[region][day] ?? null, ordered))}</td></tr>`,
    );
  }
  $("settling").innerHTML =
    `<table><thead><tr><th scope="col">Day of the order</th><th scope="col">Orders</th><th scope="col">Ordered</th>${ages.map((age) => `<th scope="col">${age === "0" ? "same day" : `within ${age} ${age === "1" ? "day" : "days"}`}</th>`).join("")}<th scope="col">until now</th></tr></thead><tbody>${list.join("")}</tbody></table>`;
}

const [REVENUE, ORDERS, BUYERS, AVERAGE, RETENTION, COMPLETED, ...OWN] = KPIS;
// What it is called, its unit, its value, and the figure that says why there is none.
const DAILY = [
  ["Revenue", "money", (r, d) => S.total_revenue[r][d], REVENUE],
  ["Orders", "count", (r, d) => S.total_orders[r][d], ORDERS],
  ["Void", "count", (r, d) => S.void_orders[r][d], ORDERS],
  ["Customers", "count", (r, d) => S.total_customers[r][d], BUYERS],
  ["New", "count", (r, d) => S.new_customers[r][d], ORDERS],
  ["Average order", "average", (r, d) => average(r, d, d), AVERAGE],
  [
    "Retention",
    "ratio",
    (r, d) => ratio(S.repeat_customers[r][d] ?? null, S.active_customers[r][d]),
    RETENTION,
  ],
  ...STATUSES.map((status) => [status, "count", (r, d) => S.status[status].payments[r][d], COMPLETED]),
  ...OWN.map((own) => [own.label, own.unit, (r, d) => own.values[r][d], own]),
];
function paintDaily({ now, region }) {
  const first = Math.max(0, now.from),
    count = now.to - first + 1,
    shown = expanded ? count : Math.min(10, count);
  $("daily-note").textContent = `${NAMES[region]}; change is against ${dayComparison()}`;
  const body = Array.from({ length: shown }, (_, n) => now.to - n).map((day) => {
    const changed = restated(day, day, region);
    const mark = changed.length
      ? `<span class="tag" title="${escape(changed.map(restatedText).join("; "))}">◇ restated</span>`
      : "";
    const lost = KPIS.filter((kpi) => kpi !== RETENTION && !kpi.own && covered(kpi).missing.includes(day));
    const gone = lost.length
      ? `<span class="tag" title="${escape(lost.map((kpi) => kpi.label).join(", "))}">missing</span>`
      : "";
    const cells = DAILY.map(
      ([, unit, of, kpi], place) =>
        `<td${reason(kpi, day) ? ` title="${escape(reason(kpi, day))}"` : ""}>${show(unit, of(region, day))}</td>${place ? "" : coloured(comparedDay(KPIS[0], region, day), "higher")}`,
    );
    return `<tr><th scope="row">${longDay(day)}${gone}${mark}</th>${cells.join("")}</tr>`;
  });
  const heads = ["Day", "Revenue", "Change", ...DAILY.slice(1).map(([label]) => label)];
  $("daily").innerHTML =
    `<table><thead><tr>${heads.map((label) => `<th scope="col">${escape(label)}</th>`).join("")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
  $("more").hidden = count <= 10;
  $("more").textContent = expanded ? "Show 10 days" : `Show all ${count} days`;
}
