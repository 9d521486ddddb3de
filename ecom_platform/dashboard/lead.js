// What is read first: the sentence, what is not as it should be, and the key figures.
"use strict";
const pill = (found, better) =>
  found
    ? `<span class="pill ${tone(found, better)}">${found.flat ? "" : found.by > 0 ? "▲ " : "▼ "}${found.text}</span>`
    : "";
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
