// The activations that the kernels implement.

import CKernels

/// A function applied to each value after a batch norm or a dense layer.
public enum Activation: String, Codable, Sendable, CaseIterable {
    /// x.
    case identity
    /// max(x, 0).
    case relu
    /// min(max(x, 0), 6).
    case relu6
    /// x * relu6(x + 3) / 6 (Howard et al., Searching for MobileNetV3, 2019).
    case hSwish = "h_swish"

    var code: Int32 {
        switch self {
        case .identity: Int32(OFA_ACT_IDENTITY)
        case .relu: Int32(OFA_ACT_RELU)
        case .relu6: Int32(OFA_ACT_RELU6)
        case .hSwish: Int32(OFA_ACT_HSWISH)
        }
    }
}
