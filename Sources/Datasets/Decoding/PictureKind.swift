// Recognises the format of a file by its first bytes. Names are not reliable: collections contain
// GIF and WebP files, web pages and empty files whose names end in `.jpg`.

/// The kind of a picture file.
public enum PictureKind: Sendable, Equatable {
    /// JPEG: the file begins with FF D8 FF.
    case jpeg
    /// PNG: the file begins with the eight bytes of PNG's signature.
    case png
    /// A known format that is not supported, with its name, such as `GIF`.
    case foreign(String)
    /// No bytes at all.
    case empty
    /// No known format.
    case unknown

    /// The number of first bytes that determine the kind.
    public static let deciding = 32

    /// The kind of a file that starts with these bytes. Bytes after the first `deciding` ones do not
    /// matter.
    public init(_ start: some Collection<UInt8>) {
        // These two frequent kinds are recognised without allocating memory.
        if start.starts(with: Self.jpegStart) {
            self = .jpeg
        } else if start.starts(with: Self.pngStart) {
            self = .png
        } else {
            self = Self.foreign(Array(start.prefix(Self.deciding)))
        }
    }

    private static let jpegStart: [UInt8] = [0xFF, 0xD8, 0xFF]
    private static let pngStart: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// The kind of a file that is neither JPEG nor PNG.
    private static func foreign(_ bytes: [UInt8]) -> PictureKind {
        func has(_ wanted: [UInt8], at place: Int = 0) -> Bool {
            bytes.count >= place + wanted.count
                && bytes[place..<place + wanted.count].elementsEqual(wanted)
        }
        func has(_ text: String, at place: Int = 0) -> Bool { has(Array(text.utf8), at: place) }
        if bytes.isEmpty { return .empty }
        if let match = signatures.first(where: { has($0.bytes, at: $0.place) }) {
            return .foreign(match.name)
        }
        if has("RIFF"), has("WEBP", at: 8) { return .foreign("WebP") }
        if has("BM"), has([0, 0, 0, 0], at: 6) { return .foreign("BMP") }
        if has("ftyp", at: 4) { return .foreign(boxed(brand: bytes.dropFirst(8).prefix(4))) }
        if bytes.count > 2, bytes[0] == UInt8(ascii: "P"),
            (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(bytes[1]),
            [0x09, 0x0A, 0x0D, 0x20].contains(bytes[2])
        {
            return .foreign("PPM")
        }
        return .unknown
    }

    /// Why a file of this kind is refused; nil for kinds that are read.
    public var refusal: DatasetError? {
        switch self {
        case .jpeg, .png: nil
        case .foreign(Self.gzip):
            DatasetError(.wrongFormat, "gzip data, not a picture", remedy: "unpack it with gunzip")
        case .foreign(Self.pointer):
            DatasetError(
                .wrongFormat, "a Git LFS pointer, not the picture it stands for",
                remedy: "fetch the file with 'git lfs pull'")
        case .foreign(let name):
            DatasetError(
                .wrongFormat, "unsupported format \(name) (by its content)",
                remedy: "convert it to JPEG or PNG")
        case .empty:
            DatasetError(.truncated, "empty file", remedy: "copy or download it again")
        case .unknown:
            DatasetError(
                .wrongFormat, "not a picture: its first bytes are those of no known format",
                remedy: "copy or download it again")
        }
    }

    private static let gzip = "gzip"
    private static let pointer = "Git LFS pointer"

    /// Bytes at a fixed offset by which a format is recognised; they are from the formats' specifications.
    private static let signatures: [(place: Int, bytes: [UInt8], name: String)] = [
        (0, Array("GIF87a".utf8), "GIF"), (0, Array("GIF89a".utf8), "GIF"),
        (0, [0x49, 0x49, 0x2A, 0x00], "TIFF"), (0, [0x4D, 0x4D, 0x00, 0x2A], "TIFF"),
        (0, [0x49, 0x49, 0x2B, 0x00], "TIFF"), (0, [0x4D, 0x4D, 0x00, 0x2B], "TIFF"),
        (4, Array("jP  \r\n".utf8), "JPEG 2000"), (0, [0xFF, 0x4F, 0xFF, 0x51], "JPEG 2000"),
        (4, Array("JXL \r\n".utf8), "JPEG XL"), (0, [0xFF, 0x0A], "JPEG XL"),
        (0, Array("8BPS".utf8), "Photoshop"), (0, [0x00, 0x00, 0x01, 0x00], "ICO"),
        (0, Array("%PDF".utf8), "PDF"), (0, [0x50, 0x4B, 0x03, 0x04], "ZIP"),
        (0, [0x1F, 0x8B], gzip), (0, Array("version https://git-lfs".utf8), pointer),
    ]

    /// The format of an ISO base media file, by its major brand.
    private static func boxed(brand: ArraySlice<UInt8>) -> String {
        switch String(decoding: brand, as: UTF8.self) {
        case "avif", "avis": "AVIF"
        case "heic", "heix", "hevc", "heim", "heis", "mif1", "msf1": "HEIF"
        default: "video"
        }
    }
}
