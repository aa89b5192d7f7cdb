// A correction as plain values: what the reader changed, by part ("" or the views of a study). Pure, without DOM.

import { COUNT } from "./contour.js";

const SCHEMA = "lvef-correction/1";
const FIELDS = ["ed_frame", "es_frame", "ed_points", "es_points"];

/** Nothing changed in these parts. */
export const emptyState = (parts) => Object.fromEntries(parts.map((part) => [part, {}]));

/** Whether a part is as the model has it. */
export const isEmpty = (own) => FIELDS.every((field) => (own?.[field] ?? null) === null);

/** Whether all parts are. */
export const isUnchanged = (state) => Object.values(state).every(isEmpty);

function readPart(values) {
  const own = {};
  for (const field of FIELDS) if ((values?.[field] ?? null) !== null) own[field] = values[field];
  if (values?.propagate) own.propagate = true;
  return own;
}

const isPoint = (p) => Array.isArray(p) && p.length === 2 && p.every(Number.isFinite);
const isContour = (points) => Array.isArray(points) && points.length === COUNT && points.every(isPoint);

/** Whether frames and contours of a state can be drawn, on a clip of so many frames. */
export function isReadable(state, frames) {
  const isFrame = (frame) => Number.isInteger(frame) && frame >= 0 && frame < frames;
  return Object.values(state).every((own) =>
    FIELDS.every((field) => own[field] === undefined || (field.endsWith("points") ? isContour : isFrame)(own[field])),
  );
}

/** State, reader and note of a correction as it is stored; null is no correction. */
export function readEdit(edit, parts) {
  const state = emptyState(parts),
    views = edit?.views ?? (parts.length === 1 ? { [parts[0]]: edit } : {});
  for (const part of parts) state[part] = readPart(views[part]);
  const signed = Object.values(views).find((values) => values?.reader || values?.note);
  return { state, reader: signed?.reader ?? "", note: signed?.note ?? "" };
}

/** A correction as it is stored, or null where nothing is changed or typed. */
export function writeEdit(state, reader = "", note = "") {
  const parts = Object.keys(state);
  if (isUnchanged(state) && !reader && !note) return null;
  const write = (own) => ({
    ...Object.fromEntries(FIELDS.map((field) => [field, own[field] ?? null])),
    reader,
    note,
    ...(own.propagate ? { propagate: true } : {}),
  });
  if (parts.length === 1 && parts[0] === "") return { schema: SCHEMA, ...write(state[""]) };
  return {
    schema: SCHEMA,
    views: Object.fromEntries(parts.map((part) => [part, { schema: SCHEMA, ...write(state[part]) }])),
  };
}

const rounded = (points) => points.map((p) => p.map((v) => Math.round(v * 100) / 100));
const without = (own, ...fields) => Object.fromEntries(Object.entries(own).filter(([key]) => !fields.includes(key)));

/** The state after a contour was moved; null points give the model's back. */
export function withPoints(state, part, phase, points) {
  const own = without(state[part], `${phase}_points`);
  return { ...state, [part]: tidy(points ? { ...own, [`${phase}_points`]: rounded(points) } : own) };
}

/** The state with other frames, `{ed, es}`. The reader's contour of a frame that is left is kept for the way back, in
 * `kept`, which is no part of the correction as it is stored. `model` has the model's frames. */
export function withFrames(state, part, frames, model) {
  let own = state[part];
  for (const [phase, frame] of Object.entries(frames)) {
    const machine = model[`${phase}_frame`] ?? null,
      before = own[`${phase}_frame`] ?? machine;
    if (frame === before) continue;
    const kept = { ...own.kept },
      here = `${phase}_${frame}`,
      points = kept[here];
    if (own[`${phase}_points`]) kept[`${phase}_${before}`] = own[`${phase}_points`];
    delete kept[here];
    own = without(own, `${phase}_points`, `${phase}_frame`, "kept");
    if (frame !== machine) own = { ...own, [`${phase}_frame`]: frame };
    if (points) own = { ...own, [`${phase}_points`]: points };
    if (Object.keys(kept).length) own = { ...own, kept };
  }
  return { ...state, [part]: tidy(own) };
}

/** The contours of frames that were left, by part; for the history, as the stored correction lacks them. */
export const keptOf = (state) =>
  Object.fromEntries(Object.entries(state).flatMap(([part, own]) => (own.kept ? [[part, own.kept]] : [])));

/** The state with such contours. */
export const withKept = (state, kept) =>
  Object.fromEntries(Object.entries(state).map(([part, own]) => [part, kept?.[part] ? { ...own, kept: kept[part] } : own]));

/** The state with or without propagation of the reader's contours over the cycle. */
export function withPropagation(state, part, isOn) {
  const own = without(state[part], "propagate");
  return { ...state, [part]: isOn ? { ...own, propagate: true } : own };
}

const hasContour = (own) => Boolean(own.ed_points || own.es_points);
// Without a contour of the reader's there is nothing to propagate.
const tidy = (own) => (own.propagate && !hasContour(own) ? without(own, "propagate") : own);
