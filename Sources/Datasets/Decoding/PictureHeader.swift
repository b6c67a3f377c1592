// The content of a picture's header, the warnings of decoding, and the errors of refused pictures.
import CPictures
import Intake

/// What a picture's header says.
public struct PictureHeader: Sendable, Equatable {
    /// JPEG or PNG; `unknown` if the picture was given as pixels.
    public let kind: PictureKind
    /// The picture's size in pixels, at least 1.
    public let width, height: Int
    /// The number of decoded colour components: 1 grey, 3 RGB, 4 CMYK.
    public let components: Int
    /// Whether the picture is an interlaced PNG, whose pixels are decoded all at once and not row
    /// by row.
    public let isInterlaced: Bool

    init(_ kind: PictureKind, _ header: ofa_picture_header) {
        self.kind = kind
        width = Int(header.width)
        height = Int(header.height)
        components = Int(header.components)
        isInterlaced = header.is_whole != 0
    }

    var native: ofa_picture_header {
        ofa_picture_header(
            width: Int32(width), height: Int32(height), components: Int32(components),
            is_whole: isInterlaced ? 1 : 0)
    }
}

/// Warnings of libjpeg or libpng about a picture that was decoded nevertheless.
public struct PictureWarnings: Sendable, Equatable {
    /// The number of warnings.
    public var count = 0
    /// The text of the first warning; nil if there is none.
    public var first: String?

    /// No warnings.
    public init() {}

    init(_ notes: inout ofa_picture_notes) {
        count = Int(notes.warnings)
        first = count > 0 ? String(cString: ofa_notes_warning(&notes)) : nil
    }
}

/// A decoded picture.
public struct DecodedPicture: Sendable, Equatable {
    /// The picture's size in pixels.
    public let width, height: Int
    /// Bytes per pixel: 1 grey, 3 RGB.
    public let channels: Int
    /// The bytes, (height, width, channels).
    public let pixels: [UInt8]
    /// The warnings of libjpeg or libpng.
    public let warnings: PictureWarnings
}

extension DatasetError {
    /// Returns this error with the name of a file or archive member before the reason, as in `name:
    /// reason`.
    public func about(_ name: String) -> DatasetError {
        DatasetError(code, "\(name): \(reason)", remedy: remedy)
    }

    /// Returns the error for a refused picture. The reason lacks the picture's name, which `about`
    /// adds.
    static func refusal(
        _ notes: inout ofa_picture_notes, of kind: PictureKind, limits: PictureDecoder.Limits
    ) -> DatasetError {
        let text = String(cString: ofa_notes_text(&notes))
        let format = kind == .png ? "PNG" : "JPEG"
        let again = "copy or download it again"
        switch Int(notes.fault) {
        case OFA_PICTURE_TRUNCATED:
            return DatasetError(.truncated, "truncated \(format) (\(text))", remedy: again)
        case OFA_PICTURE_UNSUPPORTED:
            return DatasetError(
                .wrongFormat, "unsupported kind of \(format): \(text)",
                remedy: "convert it to an ordinary JPEG or PNG")
        case OFA_PICTURE_COMPONENTS:
            return DatasetError(
                .wrongFormat, "\(text) colour components: neither grey, RGB nor CMYK",
                remedy: "convert it to an ordinary JPEG or PNG")
        case OFA_PICTURE_EMPTY:
            return DatasetError(
                .wrongDimensions,
                "empty \(format): its header gives no width or no height (\(text))", remedy: again)
        case OFA_PICTURE_TOO_LARGE:
            return DatasetError(
                .tooLarge, "more pixels than allowed (\(text); at most \(limits.pixels))",
                remedy: "scale it down first")
        case OFA_PICTURE_MEMORY:
            return DatasetError(
                .tooLarge,
                "needs more than \(limits.memoryBytes >> 20) MiB, because its pixels are stored"
                    + " in several passes (\(text))",
                remedy: "save it without interlacing or progression, or scale it down")
        case OFA_PICTURE_SCANS:
            return DatasetError(
                .tooLarge, "a progressive JPEG with too many scans for its size",
                remedy: "save it as a baseline JPEG")
        default:
            return DatasetError(.corrupt, "corrupt \(format) (\(text))", remedy: again)
        }
    }
}
