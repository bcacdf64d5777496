/** Groups of buttons of which one is chosen: arrow keys move the choice, as among a browser's own radio buttons. */

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Show which button of a group is chosen; Tab reaches that one alone. */
export function showChosen(buttons, isChosen) {
  for (const button of buttons) {
    const chosen = isChosen(button);
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
}

addEventListener("keydown", (event) => {
  const button = event.target.closest?.("button[role=radio]"), step = STEPS[event.key];
  if (!button || !step || event.ctrlKey || event.altKey || event.metaKey) return;
  const group = [...button.closest("[role=radiogroup]").querySelectorAll("[role=radio]")];
  const next = group.at((group.indexOf(button) + step) % group.length);
  event.preventDefault();
  event.stopPropagation();
  next.click();
  next.focus();
}, true);
