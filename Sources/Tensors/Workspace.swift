// The memory of a pass: the pass takes views of this memory one after the other and gives all views back together.

/// A bump allocator over an engine's memory: a pass takes views, and the next pass begins with `reset`.
///
/// The workspace grows by a chunk if a view does not fit; `reset` replaces several chunks by one.
public final class Workspace {
    /// A place in the workspace to which `rewind(to:)` can return.
    public struct Mark {
        fileprivate var chunk = 0, offset = 0, used = 0
    }

    private let engine: any Engine
    private var chunks: [Storage] = []
    private var place = Mark()
    /// The most floats that were ever in use at the same time.
    public private(set) var peak = 0

    /// Makes an empty workspace in the memory of `engine`.
    public init(_ engine: any Engine) { self.engine = engine }

    /// The current place, to which `rewind(to:)` can return.
    public var mark: Mark { place }

    /// Gives back the views taken since `mark`.
    public func rewind(to mark: Mark) { place = mark }

    /// Gives back all views. Afterwards, a single chunk has memory for at least `count` and at least `peak` floats.
    public func reset(room count: Int = 0) {
        let wanted = max(count, peak)
        if chunks.count > 1 || (chunks.first?.count ?? 0) < wanted {
            chunks.removeAll(keepingCapacity: true)
            chunks.append(engine.storage(wanted))
        }
        place = Mark()
    }

    /// Returns the number of floats that a view of `count` floats occupies: `count` rounded up to whole lines of 64
    /// bytes.
    public static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// Returns a view of `count` floats, aligned to 64 bytes; the values are undefined.
    public func take(_ count: Int) -> Tensor {
        while place.chunk < chunks.count && place.offset + count > chunks[place.chunk].count {
            place.chunk += 1
            place.offset = 0
        }
        if place.chunk == chunks.count { chunks.append(engine.storage(Self.rounded(count))) }
        let tensor = Tensor(storage: chunks[place.chunk], offset: place.offset, count: count)
        place.offset += Self.rounded(count)
        place.used += Self.rounded(count)
        peak = max(peak, place.used)
        return tensor
    }

    /// Returns a feature map of the given dimensions, with undefined values.
    public func map(images: Int, size: Int, channels: Int, format: MapFormat = .float32)
        -> FeatureMap
    {
        map(images: images, height: size, width: size, channels: channels, format: format)
    }

    /// Returns a feature map of the given dimensions, with undefined values.
    public func map(
        images: Int, height: Int, width: Int, channels: Int, format: MapFormat = .float32
    ) -> FeatureMap {
        FeatureMap(
            take(format.floats(images * height * width * channels)), images: images,
            height: height, width: width, channels: channels, format: format)
    }

    /// Returns whether `tensor` lies in this workspace.
    public func lent(_ tensor: Tensor?) -> Bool {
        chunks.contains { $0 === tensor?.storage }
    }
}
