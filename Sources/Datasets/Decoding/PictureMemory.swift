// Memory that grows to what the largest picture needed and is then reused, so that decoding
// millions of pictures takes none. Pointers stay within one call of the decoder that owns it.

/// A buffer of one decoder.
final class PictureMemory<Element: BitwiseCopyable> {
    private var buffer = UnsafeMutableBufferPointer<Element>(start: nil, count: 0)
    private let zero: Element

    /// An empty buffer; new memory is filled with `zero`.
    init(zero: Element) { self.zero = zero }

    deinit { buffer.deallocate() }

    /// The buffer with room for `count` elements at least; what it held before may be lost.
    func room(for count: Int) -> UnsafeMutableBufferPointer<Element> {
        if buffer.count < count {
            buffer.deallocate()
            buffer = .allocate(capacity: max(count, 1))
            buffer.initialize(repeating: zero)
        }
        return buffer
    }

    /// Frees a buffer of more than `count` elements.
    func shrink(above count: Int) {
        guard buffer.count > count else { return }
        buffer.deallocate()
        buffer = UnsafeMutableBufferPointer(start: nil, count: 0)
    }
}
