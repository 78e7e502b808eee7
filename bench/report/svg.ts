/** Text as it may stand in an SVG document, between tags or in an attribute. */
export function escapeXml(text: string): string {
  // XML 1.0, section 2.2: other control characters may not even be escaped.
  return text.replaceAll(/(?![\t\n\r])\p{Cc}/gu, '?').replaceAll(/[&<>"']/g, (char) => `&#${char.codePointAt(0)};`)
}

/** One element. Attributes are escaped here; `content` is markup that already is. */
export function element(name: string, attributes: Readonly<Record<string, string | number>>, content = ''): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(shown(value))}"`)
  return content === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${content}</${name}>`
}

/** Coordinates to a tenth of a pixel. */
function shown(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 10) / 10) : value
}
