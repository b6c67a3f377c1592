// Memory that the engine owns: aligned arrays of floats, and the views that are passed around.

import Foundation

/// An array of floats aligned to 64 bytes, zero at the start and freed with this object.
public final class Storage {
    private let memory: UnsafeMutablePointer<Float>?
    /// The number of floats.
    public let count: Int

    /// Makes an array of `count` zeros.
    public init(count: Int) {
        precondition(count >= 0, "a storage cannot hold \(count) floats")
        self.count = count
        // Large arrays are aligned to the size of huge pages, which the system may then use: with small pages, a pass
        // over a feature map would miss the TLB every four kilobytes.
        let bytes = max(count, 1) * 4, large = bytes >= Self.largePage
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: large
                ? (bytes + Self.largePage - 1) / Self.largePage * Self.largePage : bytes,
            alignment: large ? Self.largePage : 64)
        #if os(Linux)
            // The system may ignore this advice; then passes are only slower.
            if large { _ = madvise(raw, bytes, MADV_HUGEPAGE) }
        #endif
        let memory = raw.bindMemory(to: Float.self, capacity: max(count, 1))
        memory.initialize(repeating: 0, count: max(count, 1))
        self.memory = memory
    }

    /// Makes a storage without memory that reports `count` floats.
    init(counted count: Int) {
        self.count = count
        memory = nil
    }

    /// The address of the first float. Traps if this storage has no memory (`init(counted:)`).
    var base: UnsafeMutablePointer<Float> {
        guard let memory else { preconditionFailure("a counted storage has no values") }
        return memory
    }

    private static let largePage = 2 << 20

    deinit { memory?.deallocate() }

    /// The whole array as a tensor.
    public var all: Tensor { Tensor(storage: self, offset: 0, count: count) }
}

/// A view of consecutive floats in a storage; the code that uses the view determines the shape.
public struct Tensor {
    /// The storage that the view shows.
    public let storage: Storage
    /// The first float's index in the storage.
    public let offset: Int
    /// How many floats the view shows.
    public let count: Int

    /// Shows `count` floats of `storage` from `offset`.
    public init(storage: Storage, offset: Int, count: Int) {
        precondition(
            offset >= 0 && count >= 0 && offset + count <= storage.count,
            "tensor [\(offset), \(offset + count)) lies outside its storage of \(storage.count) floats"
        )
        self.storage = storage
        self.offset = offset
        self.count = count
    }

    /// Makes a tensor with its own memory, which holds `values`.
    public init(_ values: [Float]) {
        self.init(storage: Storage(count: values.count), offset: 0, count: values.count)
        fill(from: values)
    }

    var pointer: UnsafeMutablePointer<Float> { storage.base + offset }

    /// Returns the view of `count` floats from float `start` on.
    public func slice(_ start: Int, _ count: Int) -> Tensor {
        precondition(
            start + count <= self.count, "slice ends beyond its tensor of \(self.count) floats")
        return Tensor(storage: storage, offset: offset + start, count: count)
    }

    /// A copy of the values.
    public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

    /// Overwrites this tensor's values with `values`, which must have `count` elements.
    public func fill(from values: [Float]) {
        precondition(values.count == count, "\(values.count) values for a tensor of \(count)")
        values.withUnsafeBufferPointer {
            if let from = $0.baseAddress { pointer.update(from: from, count: count) }
        }
    }

    /// Overwrites this tensor's values with those of `other`; both must have the same number of values.
    public func copy(from other: Tensor) {
        precondition(other.count == count, "\(other.count) values for a tensor of \(count)")
        pointer.update(from: other.pointer, count: count)
    }

    /// Sets every value.
    public func fill(with value: Float) { pointer.update(repeating: value, count: count) }

    /// The value at `index`.
    public subscript(_ index: Int) -> Float {
        get {
            precondition(index >= 0 && index < count, "index \(index) outside a tensor of \(count)")
            return pointer[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count, "index \(index) outside a tensor of \(count)")
            pointer[index] = newValue
        }
    }
}

/// Images as the engine stores them: (images, height, width, channels), channels innermost.
public struct FeatureMap {
    /// The memory of the values, `images * height * width * channels` of them; with `format` float32, the values
    /// themselves.
    public let tensor: Tensor
    /// The four dimensions of the map.
    public let images, height, width, channels: Int
    /// How the values are stored.
    public let format: MapFormat

    /// Makes a feature map in the first part of `tensor`, which must be large enough for the map's values.
    public init(
        _ tensor: Tensor, images: Int, height: Int, width: Int, channels: Int,
        format: MapFormat = .float32
    ) {
        self.tensor = tensor.slice(0, format.floats(images * height * width * channels))
        self.format = format
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Positions in one image.
    public var pixels: Int { height * width }
    /// Positions in all images.
    public var rows: Int { images * height * width }

    /// Lends `body` the values of one image, (height, width, channels).
    public func withImage<Result>(
        _ image: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
    ) rethrows -> Result {
        precondition((0..<images).contains(image), "image \(image) of \(images)")
        return try body(
            UnsafeMutableBufferPointer(start: pointer(image: image), count: pixels * channels))
    }

    /// The first value of image number `image`. Traps unless the values are float32.
    func pointer(image: Int) -> UnsafeMutablePointer<Float> {
        precondition(format == .float32, "this operator takes float32 maps only")
        return tensor.pointer + image * pixels * channels
    }
}
