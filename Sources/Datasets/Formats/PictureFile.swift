// PictureFile: reads the file of a picture up to a size limit, and checks whether it begins like a
// JPEG or PNG.
import Intake

/// Reads the files of pictures.
enum PictureFile {
    private static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF]
    private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// Returns whether bytes begin like a JPEG or a PNG. Only the first bytes of other files are read.
    static func isKnown(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: jpeg) || bytes.starts(with: png)
    }

    /// Returns why a file of this size is refused; nil if the size is allowed.
    static func refusal(bytes: Int, most: Int) -> String? {
        if bytes == 0 { return "empty file" }
        return bytes <= most ? nil : "has \(bytes) bytes; at most \(most) are read"
    }

    /// The content of a file, or the reason for refusing the file.
    enum Content {
        /// The file's bytes; only the first bytes if it is neither JPEG nor PNG.
        case bytes([UInt8])
        /// Why the file cannot be a sample.
        case refused(String)
    }

    /// Reads a file; refuses files of more than `most` bytes.
    static func read(_ path: ByteName, most: Int) -> Content {
        let file: InputFile
        do throws(InputFault) {
            file = try InputFile(opening: path)
        } catch {
            return .refused(error.reason)
        }
        do throws(DatasetError) {
            let size = file.state.size
            if let reason = refusal(bytes: size, most: most) { return .refused(reason) }
            var room = [UInt8](repeating: 0, count: min(size, SourceOptions.foreignBytes))
            let started = try file.read(into: &room)
            var bytes = Array(room.prefix(started))
            guard isKnown(bytes) || bytes.isEmpty else { return .bytes(bytes) }
            if size > bytes.count {
                bytes.reserveCapacity(size)
                // Reads one byte more than expected, to notice if the file has grown.
                room = [UInt8](repeating: 0, count: min(1 << 20, size - bytes.count + 1))
                while case let count = try file.read(into: &room), count > 0 {
                    bytes += room[..<count]
                    guard bytes.count <= size else { break }
                }
            }
            guard bytes.count == size, file.isUnchanged() else {
                return .refused("was changed while it was read")
            }
            return .bytes(bytes)
        } catch {
            return .refused(error.reason)
        }
    }
}
