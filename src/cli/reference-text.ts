import type { SettingReference } from '../config/index.ts'
import { defaultText } from './setting-flags.ts'

/** The settings as a Markdown table, for the README. */
export function referenceText(reference: readonly SettingReference[]): string {
  const rows = reference.map((setting) => [
    `\`${setting.path}\``,
    setting.type,
    defaultText(setting).replace(/^default: /, ''),
    setting.env === undefined ? '' : `\`${setting.env}\``,
    setting.flag === undefined ? '' : `\`${setting.flag}\``,
    setting.description,
  ])
  const head = ['Setting', 'Value', 'Default', 'Environment', 'Flag', 'What it does']
  const lines = [head, head.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.map(escapeCell).join(' | ')} |\n`).join('')
}

/** A bar would end the cell. */
function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}
