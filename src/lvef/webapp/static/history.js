// Undo and redo of a correction. Pure: a history is `{past, future}`, lists of states that are plain JSON values.

const MOST_STEPS = 100;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** A history without steps. */
export const emptyHistory = () => ({ past: [], future: [] });

/** A history as it was stored, or an empty one where the stored value is none. */
export function readHistory(stored) {
  const isList = (value) => Array.isArray(value);
  return stored && isList(stored.past) && isList(stored.future)
    ? { past: stored.past, future: stored.future }
    : emptyHistory();
}

/** The history after a step away from `before`. */
export const pushStep = (history, before) => ({ past: [...history.past, before].slice(-MOST_STEPS), future: [] });

/** One step back: `{history, state}`, or null where there is none. States equal to the current one are skipped. */
export function undoStep(history, current) {
  const past = [...history.past];
  let state;
  do {
    state = past.pop();
  } while (state !== undefined && same(state, current));
  return state === undefined ? null : { history: { past, future: [...history.future, current] }, state };
}

/** One step forward again, as `undoStep`. */
export function redoStep(history, current) {
  const future = [...history.future];
  let state;
  do {
    state = future.pop();
  } while (state !== undefined && same(state, current));
  return state === undefined ? null : { history: { past: [...history.past, current], future }, state };
}

/** The history without its oldest steps, so that its JSON has at most so many bytes; `kept` goes last. */
export function fitHistory({ kept, ...history }, bytes) {
  let { past, future } = history;
  const rest = kept ? { kept } : {};
  while ((past.length || future.length) && JSON.stringify({ past, future, ...rest }).length > bytes) {
    if (past.length >= future.length) past = past.slice(Math.ceil(past.length / 4));
    else future = future.slice(Math.ceil(future.length / 4));
  }
  const whole = { past, future, ...rest };
  return JSON.stringify(whole).length > bytes ? { past, future } : whole;
}
