import { z } from 'zod'
import { settingsSchema } from './schema.ts'
import { type SettingMeta, settingMeta } from './setting.ts'

/** One row of the reference: a setting and the ways to give it. */
export interface SettingReference extends SettingMeta {
  /** Dotted path; `<namespace>` stands for any registry and `[]` for any entry of a list. */
  readonly path: string
  /** Environment variable, where the setting can be given by one. */
  readonly env: string | undefined
  /** Flag, where the setting can be given by one. */
  readonly flag: string | undefined
  /** Takes several values: a flag may be repeated, an environment variable has them separated by commas. */
  readonly isList: boolean
}

/** Every setting there is, in the order of the schema. */
export function configReference(): readonly SettingReference[] {
  return [...walk(settingsSchema, [])]
}

function* walk(schema: z.core.$ZodType, path: readonly string[]): Generator<SettingReference> {
  const meta = settingMeta.get(schema as z.ZodType)
  const inner = unwrap(schema)
  if (meta !== undefined) {
    yield row(path, meta, inner instanceof z.ZodArray)
  } else if (inner instanceof z.ZodObject) {
    for (const [name, child] of Object.entries(inner.shape)) yield* walk(child as z.core.$ZodType, [...path, name])
  } else if (inner instanceof z.ZodRecord) {
    yield* walk(inner.valueType, [...path, '<namespace>'])
  } else if (inner instanceof z.ZodArray) {
    yield* walk(inner.element, [...path.slice(0, -1), `${path.at(-1)}[]`])
  }
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return unwrap(schema.def.innerType)
  return schema
}

function row(path: readonly string[], meta: SettingMeta, isList: boolean): SettingReference {
  const isSingular = !path.some((part) => part.startsWith('<') || part.endsWith('[]'))
  const words = path.map((part) => part.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`))
  const kebab = words.join('-')
  return {
    ...meta,
    path: path.join('.'),
    env: isSingular ? `SHOAL_${kebab.toUpperCase().replaceAll('-', '_')}` : undefined,
    flag: isSingular && meta.isSecret !== true ? `--${kebab}` : undefined,
    isList,
  }
}
