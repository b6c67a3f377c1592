// Converts 16-bit floats (IEEE binary16 and bfloat16) to 32-bit floats, without rounding.

/// Converts 16-bit floats to 32-bit floats.
enum HalfPrecision {
    /// Returns the value of an IEEE 754 binary16 number: 5 exponent bits, 10 fraction bits.
    static func float16(_ bits: UInt16) -> Float {
        let sign: Float = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 31), fraction = Float(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default:
            return sign * (1 + fraction * 0x1p-10)
                * Float(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    /// Returns the value of a bfloat16 number: the upper half of a 32-bit float.
    static func bfloat16(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
