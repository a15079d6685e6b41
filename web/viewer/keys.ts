// Who a key is for: the page, or what has the focus.

const MOVES_A_SLIDER = /^(Arrow|Page|Home|End)/;

/** Whether the page leaves a key to the browser, a dialog or the field that has the focus. */
export function taken(event: KeyboardEvent): boolean {
  const { target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || document.querySelector("dialog[open]")) return true;
  if (!(target instanceof HTMLInputElement)) return false;
  return target.type !== "range" || MOVES_A_SLIDER.test(event.key);
}
