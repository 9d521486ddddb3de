// What is read first: the sentence, what is not as it should be, and the key figures.
"use strict";
const pill = (found, better) =>
  found
    ? `<span class="pill ${tone(found, better)}">${found.flat ? "" : found.by > 0 ? "▲ " : "▼ "}${found.text}</span>`
    : "";
function paintSentence({ now, vs, then, fair, region }) {
  const [revenue] = KPIS,
    day = { from: now.to, to: now.to };
  const said = (found) =>
    found
      ? found.flat
        ? "much the same as"
        : `<span class="${tone(found, "higher")}">${found.by > 0 ? "up" : "down"} ${escape(found.text.replace(/^[+−]/, ""))}</span> on`
      : "";
  // A fall that what is pending may make up for is no loss yet.
  const open = (found) => (found?.open ? ` while ${show("money", found.open)} are pending` : "");
  const where = region ? ` in ${escape(NAMES[region])}` : "";
  const amount = figure(revenue, region, day),
    found = comparedDay(revenue, region, now.to);
  let text = `${weekday(now.to)} brought in <b>${show("money", amount)}</b>${where}${found ? `, ${said(found)} ${dayComparison()}${open(found)}` : ""}.`;
  if (now.from < now.to) {
    const whole = figure(revenue, region, now),
      found = compared(revenue, region, { now, then, fair });
    text += ` ${span(Math.max(0, now.from), now.to)} brought <b>${show("money", whole)}</b>${found ? `, ${said(found)} ${COMPARISONS[vs].replace("previous", "the previous").replace(/^a /, "what it was a ")}${open(found)}` : ""}`;
    if (!region && fair && D.regions.length > 2) {
      const moved = NAMES.map((_, n) => n)
        .slice(1)
        .map((n) => [n, compared(revenue, n, { now, then })])
        .sort((a, b) => Math.abs(b[1]?.by ?? 0) - Math.abs(a[1]?.by ?? 0))[0];
      if (moved[1]?.by)
        text += `; ${escape(NAMES[moved[0]])} ${moved[1].by > 0 ? "added" : "lost"} most (<span class="${tone({ ...moved[1], flat: false }, "higher")}">${signed(moved[1].by, (v) => show("money", v))}</span>)`;
    }
    text += ".";
  }
  $("sentence").innerHTML = text;
}

// The newest change first, and what all of them make of the figure.
function restatedNote(kpi, region, now) {
  const metrics = kpi.name === "average_order_value" ? ["total_revenue", "total_orders"] : [kpi.name];
  const changed = restated(now.from, now.to, region, ...metrics);
  if (!changed.length) return "";
  const days = new Set(changed.map((one) => one.day)).size,
    value = figure(kpi, region, now),
    was = asSettled(kpi, region, now, changed);
  const total =
    was === null
      ? ""
      : ` ${escape(kpi.label)} of this range was ${show(kpi.unit, was)}, and is ${show(kpi.unit, value)} (${signed(value - was, (v) => show(kpi.unit, v))}).`;
  const one = (change) =>
    `${shortDay(change.day)}: ${escape(restatedText(change))}`;
  return `<b>Restated:</b> ${days} settled ${days > 1 ? "days have" : "day has"} changed, marked ◇.${total} The newest first: ${changed.slice(0, 3).map(one).join("; ")}${changed.length > 3 ? `; and ${changed.length - 3} more` : ""}.`;
}
function restatedText({ metric, label, was, now, cause, at }) {
  const unit = unitOf(metric);
  return `${label} was ${show(unit, was)}, is ${show(unit, now)} (${signed((now ?? 0) - (was ?? 0), (v) => show(unit, v))}, ${cause}, ${at})`;
}

function paintNotes({ now, vs, region, fair, kpi }) {
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
  if (now.from < 0)
    notes.push(`This range begins before the first day: its figures are of the days since ${longDay(0)}.`);
  const told = restatedNote(kpi, region, now);
  if (told) notes.push(told);
  if (!fair)
    notes.push(
      now.from === now.to
        ? `There is no figure of ${dayComparison()} to compare with.`
        : `There is no whole ${vs === "previous_period" ? "previous period" : `period ${COMPARISONS[vs]}`} to compare with.`,
    );
  $("notes").hidden = !notes.length;
  $("notes").innerHTML = notes.map((note) => `<p>${note}</p>`).join("");
}

function paintKpis({ now, then, fair, points: found, before, region }) {
  $("kpis").innerHTML = KPIS.map((kpi, n) => {
    const value = figure(kpi, region, now);
    const unknown =
      value === null && kpi.name === "total_customers"
        ? ' title="Customers of several days are not the sum of each day\'s. They are known of the presets, of single days, weeks and months."'
        : "";
    return `<button type="button" class="kpi" value="${n}" aria-pressed="${n === choice.kpi}"${unknown}><span class="label" title="${escape(definition(kpi))}">${escape(kpi.label)}</span><span class="value" title="${show(kpi.unit, value)}">${show(kpi.unit, value, rough)}</span><span class="change">${changeOf(kpi, compared(kpi, region, { now, then, fair }), now)}</span>${spark(whole(kpi, region, found), whole(kpi, region, before), n === choice.kpi ? lineColour() : beforeColour())}</button>`;
  }).join("");
}
// In so small a line, points that are partial or not settled would be a crash.
const whole = (kpi, region, found) =>
  points(kpi, region, found).map((value, n) => (found[n].partial || (ripens(kpi) && found[n].to > SETTLED) ? null : value));
function changeOf(kpi, found, { to }) {
  if (!found) return "&nbsp;";
  if (found.isProvisional)
    return `<span class="pill" title="Payments of these days are still pending">provisional</span>settled by ${shortDay(to + RIPE_AFTER)}`;
  if (found.until !== undefined)
    return `<span title="${escape(`Of the settled days, up to ${longDay(found.until)}: it was ${show(kpi.unit, found.was)} of as many days before`)}">${pill(found, kpi.better)}to ${shortDay(found.until)}, settled</span>`;
  const title = found.open ? ` title="${show("money", found.open)} are pending, and may make up for it"` : "";
  return `<span${title}>${pill(found, kpi.better)}from ${show(kpi.unit, found.was, rough)}</span>`;
}
const definition = (kpi) => (D.definitions.find(([name]) => name === kpi.label) ?? ["", ""])[1];
