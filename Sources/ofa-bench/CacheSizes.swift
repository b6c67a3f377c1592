// The sizes of the processor's caches, as Linux states them; unknown elsewhere.
import Foundation

/// A cache that holds data.
struct CacheSize: Equatable {
    /// The level: 1 is nearest to the core.
    let level: Int
    /// The capacity in bytes.
    let bytes: Int

    /// Returns the caches of the first processor that hold data, the nearest first. Empty if `folder`, the processor's
    /// description of its caches, does not exist.
    static func all(in folder: String = "/sys/devices/system/cpu/cpu0/cache") -> [CacheSize] {
        var caches: [CacheSize] = []
        for index in 0..<10 {
            func text(_ name: String) -> String? {
                FileManager.default.contents(atPath: "\(folder)/index\(index)/\(name)").map {
                    String(decoding: $0, as: UTF8.self).trimmingCharacters(
                        in: .whitespacesAndNewlines)
                }
            }
            guard let level = text("level").flatMap({ Int($0) }), text("type") != "Instruction",
                let bytes = text("size").flatMap(Self.bytes)
            else { continue }
            caches.append(CacheSize(level: level, bytes: bytes))
        }
        return caches.sorted { $0.level < $1.level }
    }

    /// Reads a size such as `1024K` or `32M`; nil for other text.
    static func bytes(_ text: String) -> Int? {
        let units = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        guard let unit = text.last.flatMap({ units[String($0)] }) else { return Int(text) }
        return Int(text.dropLast()).map { $0 * unit }
    }
}
