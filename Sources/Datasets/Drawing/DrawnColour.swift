// Colours of drawn pictures, from hue, saturation and value (HSV).
import Tensors

/// Makes colours of red, green and blue in 0...255; the fourth component is not used.
enum DrawnColour {
    /// Returns the colour of a hue, a saturation and a value. `hue` is at least 0; 1 is a full turn of the colour
    /// wheel, so only the fraction of `hue` matters. `saturation` and `value` are in 0...1.
    static func of(hue: Float, saturation: Float, value: Float) -> SIMD4<Float> {
        let turn = (hue - Float(Int32(hue))) * 6
        let sector = min(Int32(turn), 5)
        let share = turn - Float(sector)
        let low = value * (1 - saturation)
        let falling = value * (1 - share * saturation)
        let rising = value * (1 - (1 - share) * saturation)
        let colour: SIMD4<Float> =
            switch sector {
            case 0: [value, rising, low, 0]
            case 1: [falling, value, low, 0]
            case 2: [low, value, rising, 0]
            case 3: [low, falling, value, 0]
            case 4: [rising, low, value, 0]
            default: [value, low, falling, 0]
            }
        return colour * 255
    }

    /// Draws a colour: any hue, and saturation and value from the given ranges.
    static func any(
        saturation: ClosedRange<Float>, value: ClosedRange<Float>, _ stream: inout RandomStream
    ) -> SIMD4<Float> {
        of(
            hue: stream.uniform(), saturation: stream.uniform(in: saturation),
            value: stream.uniform(in: value))
    }
}
