// The source from which training, calibration and evaluation read images: a shard of images of one size, or a set of
// pictures of any size. Both give the same kind of batches.
import Tensors

/// Labelled images of which batches are made. Several threads may read at the same time.
public protocol ImageSource: AnyObject, Sendable {
    /// The number of images.
    var count: Int { get }
    /// Bytes per pixel: 1 grey, 3 RGB.
    var channels: Int { get }
    /// The number of classes; labels are less than this number.
    var classCount: Int { get }
    /// The names of the classes in the order of their labels; empty if the names are unknown.
    var classNames: [ByteName] { get }
    /// Identifies the content.
    var fingerprint: String { get }
    /// The size of every image in pixels; nil if pictures of any size are resized and cropped.
    var fixedSize: (height: Int, width: Int)? { get }
    /// Whether pictures are decoded or resampled one by one, so that several threads make a batch
    /// faster.
    var isDecoded: Bool { get }
    /// The label of an image.
    func label(_ image: Int) -> Int
    /// The normalisation for training on `images`.
    func normalization(of images: [Int]) throws -> PixelNormalization
    /// A reader for one thread.
    func reader(_ normalization: PixelNormalization) -> any ImageReader
}

/// Makes images of batches. Only one thread at a time may use a reader.
public protocol ImageReader: AnyObject {
    /// Makes the images `places` of a request, normalises them, and writes them as the images `places` of `map`.
    ///
    /// The result depends on the request only. Errors: `DatasetError` naming the picture.
    func write(_ places: Range<Int>, of request: BatchRequest, to map: FeatureMap) throws
}
