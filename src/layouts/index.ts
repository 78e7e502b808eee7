/**
 * Where the layers of images that can be pulled lazily are cut: along their table of contents.
 * Promise: bounded in time and memory, and never a reason for a pull to fail; a table of contents is believed only if it is
 * the one that the manifest names. Owns: which layers have one, the layouts settled for blobs not begun yet, ends of layers just
 * read for that, and the threads that read.
 */
export { LayoutBook } from './layout-book.ts'
export { Layouts, type LayoutsComponents, type LayoutsInit } from './layouts.ts'
export type { LayoutPeers, LayoutQuestion } from './ports.ts'
export { ReadTails } from './read-tails.ts'
export { TocAnchors } from './toc-anchors.ts'
export { type TocReader, WorkerTocReader } from './toc-reader.ts'
