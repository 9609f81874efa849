// The section `data`: keys that contradict each other or the images of a known data set, and
// whether what comes out of it is what the model takes. See Check.h. What only the files can tell
// is checked when they are read (runtime/step/ModelData.cpp).
#include "compiler/import/Check.h"
#include "compiler/import/ReadSpec.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::Twine;

namespace danaus::spec {

namespace {

/// A 0 is not known without reading the files.
struct ImageSizes {
  int64_t channels = 0, height = 0, width = 0;
};

ImageSizes imagesOf(const std::string &name) {
  if (name == "mnist" || name == "fashion_mnist")
    return {1, 28, 28};
  if (name == "cifar10")
    return {3, 32, 32};
  if (name == "imagenet_folder" || name == "image_folder") // grey files are made colour
    return {3, 0, 0};
  return {};
}

/// After resize, pad and channels.
ImageSizes resultOf(const Data &data) {
  ImageSizes sizes = imagesOf(data.name);
  if (data.resize.value)
    sizes.height = sizes.width = data.resize;
  if (sizes.height) {
    sizes.height += 2 * data.pad;
    sizes.width += 2 * data.pad;
  }
  if (data.channels.value)
    sizes.channels = data.channels;
  return sizes;
}

void checkRepeated(const Data &data, Reader &reader) {
  Reader::Scope scope(reader, "augment");
  for (const Augment &entry : data.augment)
    if (const Augment *first = data.find(entry.kind); first != &entry)
      reader.error(entry.mark, "this augmentation is given twice", first->mark,
                   "the first is written here");
}

void checkChannels(const Data &data, Reader &reader) {
  int64_t own = imagesOf(data.name).channels, wanted = data.channels;
  if (own > 1 && wanted && wanted != own) {
    Reader::Scope scope(reader, "channels");
    return reader.error(data.channels.mark, "only grey images can be repeated, but those of " +
                                                data.name.value + " have " + Twine(own) +
                                                " channels");
  }
  int64_t channels = wanted ? wanted : own;
  Reader::Scope scope(reader, "normalize");
  if (!data.mean.empty() && channels && int64_t(data.mean.size()) != channels)
    reader.error(data.normalize, Twine(data.mean.size()) +
                                     (data.mean.size() == 1 ? " channel is" : " channels are") +
                                     " given, but the images of " + data.name.value + " have " +
                                     Twine(channels) + (wanted ? " after data.channels" : ""));
}

} // namespace

void checkResizedCrop(const Node &node, const Augment &augment, Reader &reader) {
  auto check = [&](const char *name, const At<std::vector<double>> &range) {
    Reader::Scope scope(reader, name);
    if (range.value[0] > range.value[1])
      reader.error(range.mark, "the first number is the least, the second the most");
  };
  check("scale", augment.scale);
  check("ratio", augment.ratio);
}

void checkData(const Node &node, const Data &data, Reader &reader) {
  checkRepeated(data, reader);
  checkChannels(data, reader);
  Reader::Scope scope(reader, "augment");
  if (const Augment *crop = data.find(AugmentKind::RandomResizedCrop); crop && !data.resize.value)
    reader.error(crop->mark, "random_resized_crop needs the size of its result: write data.resize");
  int64_t side = resultOf(data).height;
  const Augment *crop = data.find(AugmentKind::RandomCrop);
  if (crop && side && crop->padding.value >= side)
    reader.error(crop->padding.mark.written() ? crop->padding.mark : crop->mark,
                 "random_crop: a padding of " + Twine(crop->padding.value) +
                     " can push an image of " + Twine(side) + " x " + Twine(side) +
                     " pixels out of sight: write less than " + Twine(side));
}

mlir::LogicalResult checkDataFits(const Spec &spec, mlir::MLIRContext *context) {
  ImageSizes sizes = resultOf(spec.data);
  if (!sizes.channels || !sizes.height)
    return mlir::success();
  const std::vector<int64_t> &shape = spec.inputShape.value;
  int64_t elements = 1;
  for (int64_t size : shape)
    elements *= size;
  std::vector<int64_t> image = {sizes.channels, sizes.height, sizes.width};
  // Fewer dimensions are the same numbers in the same order; three are channels, height and width.
  if (elements == image[0] * image[1] * image[2] && (shape.size() != 3 || shape == image))
    return mlir::success();
  auto text = [](const std::vector<int64_t> &sizes) {
    return llvm::join(llvm::map_range(sizes, [](int64_t size) { return std::to_string(size); }),
                      " x ");
  };
  (mlir::emitError(locationOf(spec, spec.inputShape.mark, context))
   << "model.input.shape: the model takes " << text(shape) << ", but the images of "
   << spec.data.name.value << " are " << text(image)
   << " (channels x height x width) after resize, pad and channels")
          .attachNote(locationOf(spec, spec.data.mark, context))
      << "data is written here";
  return mlir::failure();
}

} // namespace danaus::spec
