/** Longest table of contents read, as it is in the layer: those of a 60 MB layer with 7,000 files take 350 KB. */
export const MAX_TOC_BYTES = 8 * 1024 * 1024

/** Longest uncompressed one: about 350 bytes a file, so 180,000 files. */
export const MAX_RAW_TOC_BYTES = 64 * 1024 * 1024

/** Most files and parts of files in one. */
export const MAX_TOC_ENTRIES = 1_000_000
