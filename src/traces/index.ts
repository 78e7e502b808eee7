/**
 * Start-up traces: in which order containers read a layer lazily when they start, so that the next start elsewhere finds
 * its chunks there before it asks.
 * Promise: a trace is a hint of what to fetch first and nothing more; it delays no reader, costs no more than its layer,
 * and one that does not fit is left alone.
 * Owns the starts being recorded and those being fetched for; what is kept of them is the store's.
 */
export { TraceBook, type TraceBookComponents, type TraceStore } from './book.ts'
export { TraceGuide, type TraceGuideComponents } from './guide.ts'
export { TraceRecorder, type TraceRecorderComponents } from './recorder.ts'
