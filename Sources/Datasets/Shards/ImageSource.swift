// What training, calibration and evaluation read images from: a shard of images of one size, or a
// set of pictures of any size. Both give the same kind of batches.
import Tensors

/// Labelled images that batches are made of. Any number of threads may read.
public protocol ImageSource: AnyObject, Sendable {
    /// The number of images.
    var count: Int { get }
    /// Bytes a pixel: 1 grey, 3 RGB.
    var channels: Int { get }
    /// The number of classes; labels are below it.
    var classCount: Int { get }
    /// The names of the classes in the order of their labels; empty if they have none.
    var classNames: [ByteName] { get }
    /// Identifies the content.
    var fingerprint: String { get }
    /// The size of every image in pixels; nil if pictures of any size are resized and cropped.
    var fixedSize: (height: Int, width: Int)? { get }
    /// Whether making a batch is worth several threads.
    var isDecoded: Bool { get }
    /// The label of an image.
    func label(_ image: Int) -> Int
    /// The normalisation for training on `images`.
    func normalization(of images: [Int]) throws -> PixelNormalization
    /// A reader for one thread.
    func reader(_ normalization: PixelNormalization) -> any ImageReader
}

/// Makes images of batches; to be used by one thread at a time.
public protocol ImageReader: AnyObject {
    /// Writes the images `places` of a request to the same places of `map`, normalised.
    ///
    /// The bits depend on the request only. Errors: `DatasetError` naming the picture.
    func write(_ places: Range<Int>, of request: BatchRequest, to map: FeatureMap) throws
}
