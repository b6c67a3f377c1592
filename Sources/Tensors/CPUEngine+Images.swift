// Crops, scales and normalises stored images into batches.

import CKernels

/// The part of a stored image that becomes one image of a batch, and the changes of the colours.
public struct Crop: Sendable, Equatable {
    /// The stored image's index in its `StoredImages`.
    public let index: Int
    /// Source coordinates, in pixels, of the output's first row and column.
    public let top, left: Float
    /// Source pixels per output pixel; a negative `stepX` mirrors.
    public let stepY, stepX: Float
    /// The factor of every byte; the product is clamped to 0...255. A factor of 1 changes nothing.
    public var brightness: Float = 1
    /// The factor of the difference between a channel and the pixel's grey value, for images of three channels. A
    /// factor of 1 changes nothing.
    public var saturation: Float = 1
    /// Whether the saturation is changed before the brightness.
    public var isSaturationFirst = false

    /// Makes a crop without colour changes.
    public init(index: Int, top: Float, left: Float, stepY: Float, stepX: Float) {
        self.index = index
        self.top = top
        self.left = left
        self.stepY = stepY
        self.stepX = stepX
    }

    var view: ofa_view {
        ofa_view(
            crop: ofa_crop(
                index: Int32(index), top: top, left: left, step_y: stepY, step_x: stepX),
            brightness: brightness, saturation: saturation,
            saturation_first: isSaturationFirst ? 1 : 0)
    }
}

/// Images stored as bytes, and the normalisation of each channel: value * scale + offset.
public struct StoredImages {
    /// The bytes, (count, height, width, channels).
    public let bytes: UnsafeBufferPointer<UInt8>
    /// Height and width of every image, in pixels.
    public let height, width: Int
    /// Factor and summand of the normalisation, one value per channel each.
    public let scale, offset: [Float]

    /// Refers to `bytes`, which belong to the caller and must outlive this value; `scale` and
    /// `offset` have one value per channel.
    public init(
        _ bytes: UnsafeBufferPointer<UInt8>, height: Int, width: Int, scale: [Float],
        offset: [Float]
    ) {
        precondition(scale.count == offset.count, "one factor and one offset a channel")
        self.bytes = bytes
        self.height = height
        self.width = width
        self.scale = scale
        self.offset = offset
    }

    /// Bytes per pixel.
    public var channels: Int { scale.count }

    /// Writes `crops` to the images of `output` from image `first` on. Runs on the caller's thread.
    ///
    /// Bytes outside a stored image read as 0. `scratch` must have at least `scratchFloats(size:)` floats.
    public func write(
        _ crops: ArraySlice<Crop>, to output: FeatureMap, first: Int = 0, scratch: Tensor
    ) {
        let bytesEach = height * width * channels
        precondition(
            output.channels == channels && output.height == output.width && first >= 0
                && first + crops.count <= output.images
                && scratch.count >= scratchFloats(size: output.height),
            "crops: \(crops.count) from number \(first) do not fit into \(output.images) images of"
                + " \(output.height)x\(output.width)x\(output.channels)")
        precondition(
            crops.allSatisfy { $0.index >= 0 && ($0.index + 1) * bytesEach <= bytes.count },
            "crops: one names an image that the store does not have")
        guard let base = bytes.baseAddress else { return }
        // Handles 16 crops at a time, so that their list fits on the stack.
        withUnsafeTemporaryAllocation(of: ofa_view.self, capacity: 16) { views in
            var place = first
            for start in stride(from: crops.startIndex, to: crops.endIndex, by: views.count) {
                let some = crops[start..<min(start + views.count, crops.endIndex)]
                for (slot, crop) in zip(views.indices, some) { views[slot] = crop.view }
                ofa_views(
                    base, Int32(height), Int32(width), Int32(channels), views.baseAddress,
                    Int32(some.count), Int32(output.height), scale, offset,
                    output.pointer(image: place), scratch.pointer)
                place += some.count
            }
        }
    }

    /// Returns the number of floats of scratch that `write` needs for crops of `size` x `size` pixels.
    public func scratchFloats(size: Int) -> Int {
        Int(ofa_views_scratch(Int32(width), Int32(channels), Int32(size)))
    }
}
