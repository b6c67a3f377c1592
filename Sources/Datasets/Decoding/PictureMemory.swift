// A buffer that a decoder reuses from picture to picture, and that grows only if a picture needs more. Pointers to its
// elements are valid only until the current call of the decoder returns.

/// A reusable buffer of one decoder.
final class PictureMemory<Element: BitwiseCopyable> {
    private var buffer = UnsafeMutableBufferPointer<Element>(start: nil, count: 0)
    private let zero: Element

    /// An empty buffer; new memory is filled with `zero`.
    init(zero: Element) { self.zero = zero }

    deinit { buffer.deallocate() }

    /// Returns the buffer with at least `count` elements. The earlier content may be lost.
    func room(for count: Int) -> UnsafeMutableBufferPointer<Element> {
        if buffer.count < count {
            buffer.deallocate()
            buffer = .allocate(capacity: max(count, 1))
            buffer.initialize(repeating: zero)
        }
        return buffer
    }

    /// Frees the buffer if it has more than `count` elements.
    func shrink(above count: Int) {
        guard buffer.count > count else { return }
        buffer.deallocate()
        buffer = UnsafeMutableBufferPointer(start: nil, count: 0)
    }
}
