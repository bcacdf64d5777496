/** Which shortcut a key means, on keyboards of all languages. */

const PLACES = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: ".", Minus: "-", Equal: "=" };

/** What a US keyboard has at the place of a key. */
const atPlace = (code) => PLACES[code] ?? /^(?:Key|Digit)(.)$/.exec(code)?.[1].toLowerCase() ?? "";

/** Return the name that a key press has in a table of shortcuts, or null.
 *
 * A Latin letter counts as it is written, wherever it is, and so does a sign that is a shortcut, such as the "-" of
 * French keyboards; a key that writes neither counts by its place, and so do digits that are behind Shift.
 */
export function shortcutOf(event, known) {
  const { key, code, shiftKey: shift } = event;
  const control = event.ctrlKey || event.metaKey;
  const named = (name, shifted) => {
    const full = `${control ? "ctrl+" : ""}${shift && shifted ? "shift+" : ""}${name}`;
    return known[full] ? full : null;
  };
  if (event.altKey || event.getModifierState("AltGraph")) return key === "[" || key === "]" ? key : null; // German, French
  const isText = key.length === 1, isPlain = isText && key >= " " && key <= "~";
  if (!isText && !["Process", "Dead", "Unidentified"].includes(key)) return named(key, true);
  if (!isPlain) return named(atPlace(code), control);
  const written = named(key.toLowerCase(), control);
  if (!written && !control && !shift && code.startsWith("Digit")) return named(atPlace(code), false);
  return written || control || shift || /[a-z]/i.test(key) ? written : named(atPlace(code), false);
}
