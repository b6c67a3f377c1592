// The formats in which feature maps are stored, and the views of maps that the kernels take.

import CKernels

/// How the values of a feature map are stored. Operators compute in float32 whatever the format: they widen values
/// when they read a map, which is exact, and round values when they write one.
public enum MapFormat: String, Codable, Sendable, CaseIterable {
    /// Four bytes a value.
    case float32
    /// The upper two bytes of a float32, rounded to the nearest value, ties to even: 8 significant bits.
    case bfloat16 = "bf16"

    /// Returns how many floats take the memory of `count` values.
    func floats(_ count: Int) -> Int { self == .float32 ? count : (count + 1) / 2 }

    var code: Int32 { Int32(self == .float32 ? OFA_FLOAT32 : OFA_BFLOAT16) }
}

extension FeatureMap {
    /// How many values the map has.
    public var count: Int { rows * channels }

    /// The address of value number `offset`.
    private func address(_ offset: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(tensor.pointer) + offset * (format == .float32 ? 4 : 2)
    }

    /// Returns the values from number `offset` on, to be read by a kernel.
    func source(at offset: Int) -> ofa_map {
        ofa_map(values: UnsafeRawPointer(address(offset)), format: format.code)
    }

    /// Returns the values from the first one of image number `image` on, to be read by a kernel.
    func source(image: Int) -> ofa_map { source(at: image * pixels * channels) }

    /// Returns the values from number `offset` on, to be written by a kernel.
    func target(at offset: Int) -> ofa_target {
        ofa_target(values: address(offset), format: format.code)
    }

    /// Returns the values from the first one of image number `image` on, to be written by a kernel.
    func target(image: Int) -> ofa_target { target(at: image * pixels * channels) }

    /// Returns the place of value number `offset`, to be prefetched.
    func place(at offset: Int) -> UnsafePointer<Float> {
        UnsafeRawPointer(address(offset)).assumingMemoryBound(to: Float.self)
    }
}

extension ofa_map {
    /// A map of floats; nil for no map.
    init(_ floats: UnsafePointer<Float>?) {
        self.init(values: UnsafeRawPointer(floats), format: MapFormat.float32.code)
    }

    /// A map of floats.
    init(_ floats: UnsafeMutablePointer<Float>) { self.init(UnsafePointer(floats)) }
}

extension ofa_target {
    /// A map of floats.
    init(_ floats: UnsafeMutablePointer<Float>) {
        self.init(values: UnsafeMutableRawPointer(floats), format: MapFormat.float32.code)
    }
}
