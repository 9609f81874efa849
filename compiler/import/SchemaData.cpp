// The table of keys, section `data`: which images, and what is done to them. See Schema.cpp.
#include "compiler/import/Augment.h"
#include "compiler/import/Check.h"
#include "compiler/import/Schema.h"

namespace danaus::spec {

const Record<Data> *Schema::data() {
  auto *channels = make<ListType<double>>(make<NumberType>(Range::any()), "numbers", 1, 64);
  auto *deviations = make<ListType<double>>(make<NumberType>(Range::above(0)), "numbers", 1, 64);
  auto *numbers = make<Record<Data>>();
  numbers->key<&Data::mean>("mean", channels, "Subtracted, per channel.").required();
  numbers->key<&Data::deviation>("std", deviations, "Divided by, per channel.").required();
  numbers->checkedBy(checkNormalize);

  auto *names = make<WordType<std::string>>(
      std::vector<std::pair<std::string, std::string>>{{"mnist", "mnist"},
                                                       {"fashion_mnist", "fashion_mnist"},
                                                       {"cifar10", "cifar10"},
                                                       {"imagenet_folder", "imagenet_folder"},
                                                       {"image_folder", "image_folder"},
                                                       {"npy", "npy"}});
  names->notYet({"cifar100"});
  auto *data = make<Record<Data>>();
  data->key<&Data::name>("name", names, "Which data set.").required();
  data->key<&Data::dir>("dir", make<TextType>(TextForm::Path),
                        "Where its files are, from the spec's folder; not written: where the "
                        "package of the data set puts them.")
      .hiddenUnset();
  data->key<&Data::shuffle>("shuffle", make<BoolType>(), "A new order in each epoch.");
  data->key<&Data::validation>("validation", make<IntegerType>(0, 1'000'000'000),
                               "So many training samples are kept aside: the last of a seeded "
                               "permutation, or of the file where `shuffle` is false.");
  data->self("normalize", make<NormalizeType>(numbers),
             "Pixels are scaled to [0, 1], then a mean is subtracted and the result divided by a "
             "deviation.")
      .markedAs(detail::markOf<&Data::normalize>);
  data->key<&Data::resize>("resize", make<IntegerType>(0, 16'384),
                           "Images are made so many pixels wide and high: the shorter side is "
                           "resized (bilinear, antialiased), the middle is cut out; 0: as they "
                           "are.");
  data->key<&Data::pad>("pad", make<IntegerType>(0, 1'024),
                        "So many zero pixels are added on every side.");
  data->key<&Data::channels>("channels", make<IntegerType>(0, 64),
                             "Grey images are repeated to so many channels; 0: as they are.");
  data->key<&Data::augment>("augment", augment(),
                            "What is done at random to the images that are trained on, each a "
                            "name, or a name with options; see docs/Augmentation.md.");
  data->checkedBy(checkData);
  return data;
}

const Type *Schema::augment() {
  auto *probability = make<NumberType>(Range::within(0, 1));
  auto *alpha = make<NumberType>(Range::aboveUpTo(0, 1'000));
  auto *kinds = make<Record<Augment>>();
  auto options = [&] { return make<Record<Augment>>(); };

  auto *crop = options();
  crop->key<&Augment::padding>("padding", make<IntegerType>(1, 1'024), "In pixels.");
  kinds->self("random_crop", crop, "Adds zero pixels on every side and cuts the old size out.");
  auto *flip = options();
  flip->key<&Augment::flipProbability>("probability", probability, "Of a mirrored image.");
  kinds->self("horizontal_flip", flip, "Mirrors left and right.");
  auto *resized = options();
  resized->key<&Augment::scale>(
      "scale", make<ListType<double>>(make<NumberType>(Range::aboveUpTo(0, 1)), "numbers", 2, 2),
      "The least and the most of the image's area that is cut out.");
  resized->key<&Augment::ratio>(
      "ratio", make<ListType<double>>(make<NumberType>(Range::within(0.01, 100)), "numbers", 2, 2),
      "The least and the most width by height of what is cut out.");
  resized->checkedBy(checkResizedCrop);
  kinds->self("random_resized_crop", resized, "Cuts out a random part and resizes it to `resize`.");
  auto *erasing = options();
  erasing->key<&Augment::eraseProbability>("probability", probability, "Of an erased rectangle.");
  kinds->self("random_erasing", erasing, "Sets a random rectangle to 0 after `normalize`.");
  auto *mixup = options();
  mixup->key<&Augment::mixupAlpha>("alpha", alpha, "Shares are drawn from Beta(alpha, alpha).");
  kinds->self("mixup", mixup, "Adds pairs of images of a batch, and mixes their losses.");
  auto *cutmix = options();
  cutmix->key<&Augment::cutmixAlpha>("alpha", alpha, "Shares are drawn from Beta(alpha, alpha).");
  kinds->self("cutmix", cutmix, "Exchanges a rectangle in pairs of images of a batch.");
  return make<ListType<Augment>>(make<AugmentType>(kinds), "augmentations", 0);
}

} // namespace danaus::spec
