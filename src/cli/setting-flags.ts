import { type Command, Option } from 'commander'
import { type ConfigSources, configReference, type SettingReference } from '../config/index.ts'
import type { PeerRole } from '../core/index.ts'

/** Adds `--config` and a flag for every setting that can have one; `--help` shows the common ones. */
export function addSettingFlags(command: Command): Command {
  command.addOption(new Option('-c, --config <file>', 'YAML file with settings; else SHOAL_CONFIG names it'))
  for (const setting of configReference()) {
    const option = toOption(setting)
    if (option !== undefined) command.addOption(option)
  }
  return command.addHelpText(
    'after',
    '\nEvery setting has a flag (--store-quota), a variable (SHOAL_STORE_QUOTA) and a name in the file (store.quota);\nflags win over variables, variables over the file. All of them: shoal config --reference',
  )
}

/** The sources of the configuration as this command line gives them. */
export function sourcesFrom(command: Command, role: PeerRole, env: ConfigSources['env']): ConfigSources {
  const values = command.opts<Record<string, string | string[] | undefined>>()
  const flags: Record<string, string | string[]> = {}
  for (const setting of configReference()) {
    const value = values[toOption(setting)?.attributeName() ?? '']
    if (value !== undefined) flags[setting.path] = value
  }
  const { config } = values
  return { role, file: typeof config === 'string' ? config : undefined, env, flags }
}

function toOption(setting: SettingReference): Option | undefined {
  if (setting.flag === undefined) return undefined
  const shown = defaultText(setting)
  const option = new Option(`${setting.flag} <value>`, `${setting.description}${shown === '' ? '' : ` (${shown})`}`)
  if (setting.isCommon !== true) option.hideHelp()
  if (setting.isList) option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value])
  return option
}

/** `default: 50GiB`, or nothing where there is none. */
export function defaultText({ defaultValue, trackerDefault }: SettingReference): string {
  const text = valueText(defaultValue)
  if (text === '') return ''
  return trackerDefault === undefined ? `default: ${text}` : `default: ${text}; tracker: ${valueText(trackerDefault)}`
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
