import { z } from 'zod'
import { shown } from './leaf.ts'

/** What is known of one setting besides its schema: the source of the reference table, `--help` and the printed configuration. */
export interface SettingMeta {
  readonly description: string
  readonly type: string
  /** As one would write it; `undefined` when there is none. */
  readonly defaultValue: unknown
  /** The default in the role of a tracker, where it differs. */
  readonly trackerDefault?: unknown
  /** Shown in `--help`; the others are in the reference only. */
  readonly isCommon?: boolean
  /** Never printed, and taken from the environment only: a file ends up in a ConfigMap and a flag in `ps`. */
  readonly isSecret?: boolean
}

/** The metadata of every setting by its schema. */
export const settingMeta = z.registry<SettingMeta>()

type Notes = Omit<SettingMeta, 'defaultValue' | 'type'>

/** A setting with a default, which is written like any other value. */
export function setting<T extends z.ZodType>(schema: T, type: string, defaultValue: z.input<T>, notes: Notes) {
  const withDefault = schema.prefault(defaultValue as never)
  settingMeta.add(withDefault, { ...notes, type, defaultValue })
  return withDefault
}

/** A setting that may be left out. */
export function optionalSetting<T extends z.ZodType>(schema: T, type: string, notes: Notes) {
  const optional = schema.optional()
  settingMeta.add(optional, { ...notes, type, defaultValue: undefined })
  return optional
}

/** A setting that must be given. */
export function requiredSetting<T extends z.ZodType>(schema: T, type: string, notes: Notes) {
  settingMeta.add(schema, { ...notes, type, defaultValue: undefined })
  return schema
}

/** A group of settings; unknown names in it are refused. */
export function section<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'invalid_type' ? `expected a section with settings in it, got ${shown(issue.input)}` : undefined,
  })
}
