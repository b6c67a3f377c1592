// The energy counters of GPUs, through NVIDIA's management library (NVML), if this machine has it.

import CProcessors

/// The GPUs of this machine whose energy counters can be read.
public final class GPUs: @unchecked Sendable {
    // Safe because the library may be called from any thread, and `library` never changes.
    private let library: OpaquePointer

    /// The names of the devices, in the order of `read`.
    public let names: [String]

    /// Loads the library `path`; nil if there is none, or no device has a counter (those before the Volta generation).
    public init?(library path: String = "libnvidia-ml.so.1") {
        guard let library = ofa_gpus_open(path) else { return nil }
        self.library = library
        names = (0..<ofa_gpus_count(library)).map { index in
            var bytes = [CChar](repeating: 0, count: 96)
            ofa_gpus_name(library, index, &bytes, Int32(bytes.count))
            return String(
                decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    deinit { ofa_gpus_close(library) }

    /// Reads the energy of each device since its driver was loaded, in microjoules; nil for one that cannot be read.
    public func read() -> [Int64?] {
        names.indices.map { index in
            let millijoules = ofa_gpus_millijoules(library, Int32(index))
            return (0...Int64.max / 1000).contains(millijoules) ? 1000 * millijoules : nil
        }
    }
}
