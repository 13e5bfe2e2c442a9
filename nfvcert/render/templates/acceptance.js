// Sorting and filtering of tables. Without this script the page is whole, only still.
(() => {
  "use strict";

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };

  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.localeCompare(b, undefined, { numeric: true });
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.dataset.sort === "no") return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows];
        rows.sort((a, b) => (down ? -1 : 1) * compare(key(a, column), key(b, column)));
        body.append(...rows);
      });
    });
  }

  for (const filter of document.querySelectorAll(".filter")) {
    const table = document.getElementById(filter.dataset.table);
    const rows = [...table.tBodies[0].rows];
    const buttons = [...filter.querySelectorAll("button")];
    const told = filter.querySelector("[role=status]");
    filter.hidden = false;
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const wanted = button.dataset.verdict;
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        for (const row of rows) row.hidden = wanted !== "" && row.dataset.verdict !== wanted;
        const shown = rows.filter((row) => !row.hidden).length;
        told.textContent = wanted === "" ? "" : `${shown} of ${rows.length} shown`;
      });
    }
  }

  // Paper has no folds.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.prints:not([open])")) {
      fold.open = true;
      fold.dataset.folded = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const fold of document.querySelectorAll("details[data-folded]")) {
      fold.open = false;
      delete fold.dataset.folded;
    }
  });
})();
