// The days and regions that are shown, as CSV.
"use strict";
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
