// The engine's memory: aligned arrays of floats, and views of them.

import Foundation

/// An array of floats aligned to 64 bytes, set to zero at the start and freed with its owner.
public final class Storage {
    let base: UnsafeMutablePointer<Float>
    /// How many floats it holds.
    public let count: Int

    /// Makes an array of `count` zeros.
    public init(count: Int) {
        precondition(count >= 0, "a storage cannot hold \(count) floats")
        self.count = count
        // Large arrays are aligned to huge pages if the system has them: otherwise a pass over a
        // feature map would miss the TLB every four kilobytes.
        let bytes = max(count, 1) * 4, large = bytes >= Self.largePage
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: large
                ? (bytes + Self.largePage - 1) / Self.largePage * Self.largePage : bytes,
            alignment: large ? Self.largePage : 64)
        #if os(Linux)
            // Only advice: if the system ignores it, only speed is lost.
            if large { _ = madvise(raw, bytes, MADV_HUGEPAGE) }
        #endif
        base = raw.bindMemory(to: Float.self, capacity: max(count, 1))
        base.initialize(repeating: 0, count: max(count, 1))
    }

    private static let largePage = 2 << 20

    deinit { base.deallocate() }

    /// The whole array as a tensor.
    public var all: Tensor { Tensor(storage: self, offset: 0, count: count) }
}

/// A view of consecutive floats in a storage; its user determines the shape.
public struct Tensor {
    /// The storage it shows.
    public let storage: Storage
    /// The first float's index in the storage.
    public let offset: Int
    /// How many floats it shows.
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

    /// A tensor with its own memory, holding `values`.
    public init(_ values: [Float]) {
        self.init(storage: Storage(count: values.count), offset: 0, count: values.count)
        fill(from: values)
    }

    var pointer: UnsafeMutablePointer<Float> { storage.base + offset }

    /// The floats from `start`, `count` of them.
    public func slice(_ start: Int, _ count: Int) -> Tensor {
        precondition(
            start + count <= self.count, "slice ends beyond its tensor of \(self.count) floats")
        return Tensor(storage: storage, offset: offset + start, count: count)
    }

    /// A copy of the values.
    public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

    /// Overwrites the values; `values` has exactly `count` elements.
    public func fill(from values: [Float]) {
        precondition(values.count == count, "\(values.count) values for a tensor of \(count)")
        values.withUnsafeBufferPointer {
            if let from = $0.baseAddress { pointer.update(from: from, count: count) }
        }
    }

    /// Overwrites the values with those of `other`, which has as many.
    public func copy(from other: Tensor) {
        precondition(other.count == count, "\(other.count) values for a tensor of \(count)")
        pointer.update(from: other.pointer, count: count)
    }

    /// Sets every value.
    public func fill(with value: Float) { pointer.update(repeating: value, count: count) }

    /// One value.
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

/// Images as the engine holds them: (images, height, width, channels), channels innermost.
public struct FeatureMap {
    /// The values, `images * height * width * channels` of them.
    public let tensor: Tensor
    /// Its four dimensions.
    public let images, height, width, channels: Int

    /// Reads a tensor as a feature map; the tensor has at least as many values.
    public init(_ tensor: Tensor, images: Int, height: Int, width: Int, channels: Int) {
        self.tensor = tensor.slice(0, images * height * width * channels)
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Positions in one image.
    public var pixels: Int { height * width }
    /// Positions in all images.
    public var rows: Int { images * height * width }

    func pointer(image: Int) -> UnsafeMutablePointer<Float> {
        tensor.pointer + image * pixels * channels
    }
}

/// A bump allocator over one storage: a step takes views from it, and the next step's start frees
/// them all.
public final class Workspace {
    private var storage: Storage
    private var used = 0
    /// The peak number of floats in use.
    public private(set) var peak = 0

    /// Makes a workspace of `count` floats.
    public init(count: Int) { storage = Storage(count: count) }

    /// Capacity in floats.
    public var capacity: Int { storage.count }

    /// The current position, for `rewind(to:)`.
    public var mark: Int { used }

    /// Frees the views taken since `mark`.
    public func rewind(to mark: Int) { used = mark }

    /// Frees all views and ensures a capacity of `count` floats; allocates only if that exceeds the
    /// current capacity.
    public func reserveAndReset(_ count: Int) {
        used = 0
        if count > storage.count { storage = Storage(count: count) }
    }

    /// The floats that a view of `count` floats occupies: whole lines of 64 bytes.
    public static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// A view of `count` floats aligned to 64 bytes; the values are not initialised.
    public func take(_ count: Int) -> Tensor {
        precondition(
            used + count <= storage.count,
            "workspace of \(storage.count) floats is full: \(count) more were asked for; reserve more first"
        )
        let tensor = Tensor(storage: storage, offset: used, count: count)
        used += Self.rounded(count)
        peak = max(peak, used)
        return tensor
    }

    /// A feature map of the given dimensions.
    public func map(images: Int, size: Int, channels: Int) -> FeatureMap {
        FeatureMap(
            take(images * size * size * channels), images: images, height: size, width: size,
            channels: channels)
    }
}
