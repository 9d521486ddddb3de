// What is read first: the sentence, what is not as it should be, and the key figures.
"use strict";
const pill = (found, better) =>
  found
    ? `<span class="pill ${tone(found, better)}">${found.flat ? "" : found.by > 0 ? "▲ " : "▼ "}${found.text}</span>`
    : "";
// How the checks stand on the days that are shown, and which of these days are missing. A gap is
// missing to retention as long as its window holds it.
function paintState({ now }) {
  const [passed, failed, warned] = [D.checks[0], ...D.checks.slice(Math.max(0, now.from) + 1, now.to + 2)].reduce(
    (sum, one) => sum.map((number, n) => number + one[n]),
    [0, 0, 0],
  );
  const all = passed + failed + warned,
    several = (number, word) => (number ? `, ${plain.format(number)} ${word}${number > 1 ? "s" : ""}` : "");
  const gaps = KPIS.filter((kpi) => kpi.name !== "customer_retention_rate").flatMap((kpi) =>
    covered(kpi).missing.filter((day) => day <= now.to && (day >= now.from || day > now.to - D.retention_days)),
  );
  const missing = [...new Set(gaps)].sort((a, b) => a - b);
  let text = all ? `${plain.format(passed)} of ${plain.format(all)} checks passed` : "Not checked";
  text += several(failed, "error") + several(warned, "warning");
  if (missing.length) text += missing.length === 1 ? `, ${shortDay(missing[0])} missing` : `, ${missing.length} days missing`;
  $("state").title = missing.length ? `Missing: ${someDays(missing)}` : "";
  $("state").firstElementChild.className = `dot ${failed || missing.length ? "failed" : warned ? "warned" : "passed"}`;
  $("state").lastElementChild.textContent = text;
}
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
    if (!region && fair(revenue) && D.regions.length > 2) {
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
  notes.push(...missingNotes(now));
  for (const late of D.late) notes.push(escape(late));
  if (now.from < 0)
    notes.push(`This range begins before the first day: its figures are of the days since ${longDay(0)}.`);
  const told = restatedNote(kpi, region, now);
  if (told) notes.push(told);
  if (!fair(KPIS[0]) && !fair(KPIS[1]))
    notes.push(
      now.from === now.to
        ? `There is no figure of ${dayComparison()} to compare with.`
        : `There is no whole ${vs === "previous_period" ? "previous period" : `period ${COMPARISONS[vs]}`} to compare with.`,
    );
  $("notes").hidden = !notes.length;
  $("notes").innerHTML = notes.map((note) => `<p>${note}</p>`).join("");
}

// Which figures lack days of the range: those that lack the same are told together.
function missingNotes(now) {
  const notes = [],
    lacks = new Map();
  const list = (names) => names.map((name, n) => (n ? name[0].toLowerCase() + name.slice(1) : name)).join(", ");
  const never = KPIS.filter((kpi) => covered(kpi).since === null).map((kpi) => kpi.label);
  for (const kpi of KPIS) {
    const days = covered(kpi).missing.filter((day) => day >= now.from && day <= now.to);
    if (!days.length) continue;
    const because = reason(kpi, days[days.length - 1]).startsWith("orders")
      ? `, as ${reason(kpi, days[days.length - 1])}`
      : "";
    const said = `${because ? `${span(days[0], days[days.length - 1])}${because}` : someDays(days)}`;
    lacks.set(said, [...(lacks.get(said) ?? []), kpi.label]);
  }
  for (const [said, labels] of lacks)
    notes.push(`<b>Missing:</b> ${escape(list(labels))} of ${escape(said)}.`);
  if (lacks.size) notes[0] += " Figures of the range are of the days that are there.";
  if (never.length) notes.push(`<b>Not computed yet:</b> ${escape(list(never))}.`);
  return notes;
}

function paintKpis({ now, then, fair, points: bins, before, region }) {
  $("kpis").innerHTML = KPIS.map((kpi, n) => {
    const value = figure(kpi, region, now),
      gaps = lacking(kpi, now);
    const unknown =
      value === null && kpi.name === "total_customers" && !reason(kpi, now.to)
        ? ' title="Customers of several days are not the sum of each day\'s. They are known of the presets, of single days, weeks and months."'
        : "";
    const why = value === null ? reason(kpi, now.to) : gaps.length ? `without ${someDays(gaps)}` : "";
    const found = compared(kpi, region, { now, then, fair });
    const said = found || !why ? changeOf(kpi, found, now) : `<span class="lacks" title="${escape(why)}">${escape(why)}</span>`;
    return `<button type="button" class="kpi" value="${n}" aria-pressed="${n === choice.kpi}"${unknown}><span class="label" title="${escape(definition(kpi))}">${escape(kpi.label)}</span><span class="value" title="${show(kpi.unit, value)}">${show(kpi.unit, value, rough)}</span><span class="change">${said}</span>${spark(whole(kpi, region, bins), whole(kpi, region, before), n === choice.kpi ? lineColour() : beforeColour())}</button>`;
  }).join("");
  // Rows of much the same length, of five figures at most where there are more than six.
  const lines = KPIS.length > 6 ? Math.ceil(KPIS.length / 5) : 1;
  Object.assign($("kpis").dataset, lines > 1 ? { columns: Math.ceil(KPIS.length / lines), rows: lines } : {});
}
// In so small a line, points that are partial or not settled would be a crash.
const whole = (kpi, region, found) =>
  points(kpi, region, found).map((value, n) => (found[n].partial || (ripens(kpi) && found[n].to > SETTLED) ? null : value));
function changeOf(kpi, found, { to }) {
  if (!found) return "&nbsp;";
  if (found.isProvisional)
    return `<span class="pill" title="Payments of these days are still pending">provisional</span><span>settled by ${shortDay(to + RIPE_AFTER)}</span>`;
  if (found.until !== undefined)
    return `<span title="${escape(`Of the settled days, up to ${longDay(found.until)}: it was ${show(kpi.unit, found.was)} of as many days before`)}">${pill(found, kpi.better)}<span>settled, to ${shortDay(found.until)}</span></span>`;
  const title = found.open ? ` title="${show("money", found.open)} are pending, and may make up for it"` : "";
  return `<span${title}>${pill(found, kpi.better)}<span>from ${show(kpi.unit, found.was, rough)}</span></span>`;
}
const definition = (kpi) => (D.definitions.find(([name]) => name === kpi.label) ?? ["", ""])[1];
