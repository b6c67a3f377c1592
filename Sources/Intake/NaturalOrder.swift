// Natural sort order of names with numbers: `fc2` before `fc10`.

/// Compares names piece by piece: consecutive digits by their value, other characters by their
/// bytes in UTF-8.
public enum NaturalOrder {
    /// Returns whether `left` comes before `right`. Names that differ only in leading zeros are
    /// ordered by their bytes.
    public static func precedes(_ left: String, _ right: String) -> Bool {
        var (a, b) = (Array(left.utf8)[...], Array(right.utf8)[...])
        while let one = a.first, let other = b.first {
            if isDigit(one), isDigit(other) {
                let (first, second) = (number(&a), number(&b))
                if first.count != second.count { return first.count < second.count }
                if first != second { return first.lexicographicallyPrecedes(second) }
            } else if one != other {
                return one < other
            } else {
                a.removeFirst()
                b.removeFirst()
            }
        }
        if a.isEmpty != b.isEmpty { return a.isEmpty }
        return left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Removes the digits at the start of `text` and returns them without leading zeros.
    private static func number(_ text: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let digits = text.prefix(while: isDigit)
        text = text.dropFirst(digits.count)
        return digits.drop { $0 == UInt8(ascii: "0") }
    }
}
