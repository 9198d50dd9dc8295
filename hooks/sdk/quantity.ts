// Quantities as the API server reads and writes them (k8s.io/apimachinery/pkg/api/resource).
import { remembering } from './remember.ts'

const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const written = /^([+-]?)(\d+|\d+\.\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,2}|)$/

type Format = 'BinarySI' | 'DecimalSI' | 'DecimalExponent'

/** A quantity in billionths of its unit, and how it was written. */
export interface Quantity {
  readonly nano: bigint
  readonly format: Format
}

/** Reads `100m`, `1Gi`, `1e3`, `0.5` …; undefined when it is none. What is finer than a billionth is rounded up. */
export const parseQuantity = remembering((text: string): Quantity | undefined => {
  const match = written.exec(text)
  if (match === null) return undefined
  const [, sign = '', digits = '', suffix = ''] = match
  const [whole = '', fraction = ''] = digits.split('.')
  const unit = units.get(suffix)
  const exponent = (unit === undefined ? Number(suffix.slice(1)) : 0) - fraction.length
  const value = BigInt(`${whole}${fraction}`) * (unit?.nano ?? one)
  const magnitude = exponent < 0 ? dividedUp(value, 10n ** BigInt(-exponent)) : value * 10n ** BigInt(exponent)
  return { nano: sign === '-' ? -magnitude : magnitude, format: unit?.format ?? 'DecimalExponent' }
})

/**
 * The form in which the API server gives a quantity back: `1024Mi` → `1Gi`, `0.5` → `500m`, 1 → `1`.
 * Undefined when the value is no quantity.
 */
export function canonicalQuantity(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  const quantity = parseQuantity(String(value))
  return quantity === undefined ? undefined : writeQuantity(quantity)
}

/** Less than, equal to or greater than zero, as left is to right. Throws a sentence for what is no quantity. */
export function compareQuantities(left: string, right: string): number {
  const difference = read(left).nano - read(right).nano
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Their sum, written as the first that is not zero. Throws a sentence for what is no quantity. */
export function sumQuantities(texts: readonly string[]): string {
  const amounts = texts.map(read)
  const { format } = amounts.find(({ nano }) => nano !== 0n) ?? { format: 'DecimalSI' }
  return writeQuantity({ nano: amounts.reduce((sum, { nano }) => sum + nano, 0n), format })
}

function read(text: string): Quantity {
  const quantity = parseQuantity(text)
  if (quantity === undefined) throw new Error(`${JSON.stringify(text)} is not a quantity such as 500m or 10Gi`)
  return quantity
}

const one = 10n ** 9n

/** What one of each suffix is; any other suffix is an exponent. */
const units = new Map<string, Quantity>([
  ...binary.map((suffix, index) => [suffix, { nano: one * 1024n ** BigInt(index + 1), format: 'BinarySI' }] as const),
  ...decimal.map((suffix, index) => [suffix, { nano: 1000n ** BigInt(index), format: 'DecimalSI' }] as const),
])

function dividedUp(value: bigint, by: bigint): bigint {
  return value / by + (value % by === 0n ? 0n : 1n)
}

/** A quantity in its canonical form. */
export function writeQuantity({ nano, format: style }: Quantity): string {
  if (nano === 0n) return '0'
  const sign = nano < 0n ? '-' : ''
  const magnitude = nano < 0n ? -nano : nano
  // As in Quantity.CanonicalizeBytes: a binary quantity that is below 1024 or no whole number is written in decimal.
  if (style === 'BinarySI' && magnitude % one === 0n && magnitude >= 1024n * one) {
    let rest = magnitude / one
    let power = 0
    while (rest % 1024n === 0n && power < 6) {
      rest /= 1024n
      power++
    }
    return `${sign}${rest}${binary[power - 1] ?? ''}`
  }
  let rest = magnitude
  let exponent = -9
  while (rest % 1000n === 0n && exponent < 18) {
    rest /= 1000n
    exponent += 3
  }
  if (style === 'DecimalExponent') return `${sign}${rest}${exponent === 0 ? '' : `e${exponent}`}`
  return `${sign}${rest}${decimal[exponent / 3 + 3] ?? ''}`
}

/** A quantity as a number: bytes, cores … Throws a sentence for what is no quantity. */
export function quantityToNumber(text: string): number {
  return Number(read(text).nano / 1000n) / 1e6
}
